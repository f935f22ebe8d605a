# Makes me_from_labels.csv: R mclust's EM started from known labels.
# Run in this folder: Rscript make_me_from_labels.R > me_from_labels.csv
# Needs R with mclust 6.0.0 (Debian 12: r-cran-mclust).
suppressMessages(library(mclust))

read_class <- function(file) as.integer(factor(read.csv(file)$class))
packaged <- file.path("..", "..", "src", "ellimix", "datasets")
faithful_rows <- as.matrix(read.csv(file.path(packaged, "faithful.csv")))
problems <- list(
  iris = list(x = as.matrix(read.csv(file.path(packaged, "iris.csv"))),
              labels = read_class("iris_class.csv")),
  diabetes = list(x = as.matrix(read.csv("diabetes.csv")),
                  labels = read_class("diabetes_class.csv")),
  faithful_eq = list(x = faithful_rows, labels = 1L + (faithful_rows[, "eruptions"] > 3))
)
families <- c("EII", "VII", "EEI", "VEI", "EVI", "VVI", "EEE",
              "VEE", "EVE", "VVE", "EEV", "VEV", "EVV", "VVV")

cat("data,model,G,df,loglik_after_mstep_from_labels,loglik_me_tol1e14,bic\n")
for (name in names(problems)) {
  x <- problems[[name]]$x
  z <- unmap(problems[[name]]$labels)
  for (family in families) {
    first <- mstep(data = x, modelName = family, z = z)
    after <- estep(data = x, modelName = family, parameters = first$parameters)$loglik
    end <- me(data = x, modelName = family, z = z,
              control = emControl(tol = c(1e-14, 1e-14), itmax = c(10000, 10000)))
    df <- nMclustParams(family, d = ncol(x), G = ncol(z))
    cat(sprintf("%s,%s,%d,%2d,%.12f,%.12f,%.12f\n", name, family, ncol(z), df,
                after, end$loglik, 2 * end$loglik - df * log(nrow(x))))
  }
}
