// Armadillo's gmm_full and gmm_diag, by the lines of protocol.py.
//   fit_armadillo FOLDER float64 n d k full|diag
#include <armadillo>
#include <chrono>
#include <cstdint>
#include <fstream>
#include <iostream>
#include <stdexcept>
#include <string>

namespace {

// A .npy file of float64 in C order: its header's length stands at byte 8 (format 1.0).
void read_npy(const std::string& path, double* out, std::size_t count) {
  std::ifstream file(path, std::ios::binary);
  char magic[8];
  unsigned char size[2];
  file.read(magic, 8).read(reinterpret_cast<char*>(size), 2);
  file.seekg(10 + size[0] + 256 * size[1]);
  file.read(reinterpret_cast<char*>(out), static_cast<std::streamsize>(count * sizeof(double)));
  if (!file) throw std::runtime_error("cannot read " + path);
}

template <class Array>
void write(std::ofstream& file, const Array& array) {
  file.write(reinterpret_cast<const char*>(array.memptr()),
             static_cast<std::streamsize>(array.n_elem * sizeof(double)));
}

// C order of (n, d) is Armadillo's own order of (d, n): rows become columns, as it wants them.
template <class Model, class Covariances>
void serve(const arma::mat& rows, const arma::rowvec& weights, const arma::mat& means,
           const Covariances& covariances) {
  Model model;
  std::string command, argument;
  while (std::cin >> command >> argument) {
    if (command == "run") {
      const auto began = std::chrono::steady_clock::now();
      model.set_params(means, covariances, weights);
      // No k-means iterations, and the smallest floor of variances that it accepts.
      if (!model.learn(rows, weights.n_elem, arma::maha_dist, arma::keep_existing, 0,
                       std::stoul(argument), 1e-300, false))
        throw std::runtime_error("learn() failed");
      const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - began;
      std::cout.precision(17);
      std::cout << "{\"seconds\": " << spent.count() << ", \"iterations\": " << argument << "}\n";
    } else {
      std::ofstream file(argument, std::ios::binary);
      write(file, model.hefts);
      write(file, model.means);
      if constexpr (std::is_same_v<Model, arma::gmm_full>)
        write(file, model.fcovs);
      else
        write(file, model.dcovs);
      std::cout << "{\"saved\": \"" << argument << "\"}\n";
    }
    std::cout.flush();
  }
}

}  // namespace

int main(int, char** arguments) {
  const std::string folder = std::string(arguments[1]) + "/", kind = arguments[6];
  const arma::uword n = std::stoul(arguments[3]), d = std::stoul(arguments[4]),
                    k = std::stoul(arguments[5]);
  arma::mat rows(d, n), means(d, k);
  arma::rowvec weights(k);
  read_npy(folder + "rows.npy", rows.memptr(), n * d);
  read_npy(folder + "means.npy", means.memptr(), k * d);
  read_npy(folder + "weights.npy", weights.memptr(), k);
  std::cout << "{\"ready\": {\"armadillo\": \"" << ARMA_VERSION_MAJOR << "." << ARMA_VERSION_MINOR
            << "\"}}" << std::endl;
  if (kind == "full") {
    arma::cube covariances(d, d, k);
    read_npy(folder + "covariances.npy", covariances.memptr(), k * d * d);
    serve<arma::gmm_full>(rows, weights, means, covariances);
  } else {
    arma::mat covariances(d, k);
    read_npy(folder + "covariances.npy", covariances.memptr(), k * d);
    serve<arma::gmm_diag>(rows, weights, means, covariances);
  }
}
