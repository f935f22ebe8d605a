# R's mclust: em() from given parameters, by the lines of protocol.py.
#   Rscript fit_mclust.R FOLDER float64 n d k full|tied|diag|spherical
suppressMessages(library(mclust))
arguments <- commandArgs(TRUE)
folder <- arguments[1]
n <- as.integer(arguments[3])
d <- as.integer(arguments[4])
k <- as.integer(arguments[5])
kind <- arguments[6]

# A .npy file of float64 in C order: its header's length stands at byte 8 (format 1.0).
read_npy <- function(name, count) {
  file <- file(file.path(folder, name), "rb")
  on.exit(close(file))
  size <- as.integer(readBin(file, "raw", 10)[9:10])
  readBin(file, "raw", size[1] + 256 * size[2])
  readBin(file, "double", count)
}

rows <- matrix(read_npy("rows.npy", n * d), n, d, byrow = TRUE)
weights <- read_npy("weights.npy", k)
means <- matrix(read_npy("means.npy", k * d), d, k)
size <- c(full = k * d * d, tied = d * d, diag = k * d, spherical = k)[[kind]]
covariances <- read_npy("covariances.npy", size)

variance <- list(d = d, G = k)
if (d == 1) {
  name <- if (kind == "tied") "E" else "V"
  variance$sigmasq <- covariances
} else if (kind == "full") {
  name <- "VVV"
  variance$sigma <- array(covariances, c(d, d, k))
  variance$cholsigma <- array(apply(variance$sigma, 3, chol), c(d, d, k))
} else if (kind == "tied") {
  name <- "EEE"
  variance$Sigma <- matrix(covariances, d, d)
  variance$cholSigma <- chol(variance$Sigma)
} else if (kind == "diag") {
  name <- "VVI"
  diagonal <- matrix(covariances, d, k)
  variance$scale <- exp(colMeans(log(diagonal)))
  variance$shape <- sweep(diagonal, 2, variance$scale, "/")
} else {
  name <- "VII"
  variance$sigmasq <- covariances
  variance$scale <- covariances
}
variance$modelName <- name
start <- list(pro = weights, mean = if (d == 1) as.vector(means) else means, variance = variance)

covariances_of <- function(fitted) {
  if (d == 1) return(rep_len(fitted$sigmasq, size))
  switch(kind,
    full = as.vector(fitted$sigma),
    tied = as.vector(fitted$Sigma),
    diag = as.vector(apply(fitted$sigma, 3, diag)),
    spherical = fitted$sigma[1, 1, ]
  )
}

answer <- function(...) {
  cat(sprintf(...), "\n", sep = "")
  flush(stdout())
}

answer('{"ready": {"mclust": "%s", "R": "%s"}}', packageVersion("mclust"), getRversion())
input <- file("stdin", "r")
while (length(line <- readLines(input, 1)) == 1) {
  words <- strsplit(line, " ", fixed = TRUE)[[1]]
  if (words[1] == "run") {
    iterations <- as.integer(words[2])
    control <- emControl(eps = 0, tol = c(0, 0), itmax = c(iterations, iterations))
    clock <- Sys.time()
    fitted <- em(rows, modelName = name, parameters = start, control = control)
    seconds <- as.numeric(Sys.time() - clock, units = "secs")
    done <- abs(attr(fitted, "info")[["iterations"]]) # negative: not converged
    answer('{"seconds": %.9f, "iterations": %d}', seconds, as.integer(done))
  } else {
    parameters <- fitted$parameters
    writeBin(
      c(parameters$pro, as.vector(parameters$mean), covariances_of(parameters$variance)),
      words[2]
    )
    answer('{"saved": "%s"}', words[2])
  }
}
