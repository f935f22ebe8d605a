# Makes mclust_prior.csv and mclust_prior_bic.csv: R mclust's EM with its default prior.
# Run in this folder: Rscript make_mclust_prior.R
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
joined <- function(numbers) paste(sprintf("%.12g", as.vector(numbers)), collapse = " ")

# From the labels to convergence. Means are k times d numbers, component by component, and sigma are
# k matrices.
out <- "data,model,shrinkage,loglik,weights,means,sigma"
for (name in names(problems)) {
  x <- problems[[name]]$x
  z <- unmap(problems[[name]]$labels)
  for (family in c("VII", "EVI", "VVI", "EEE", "EEV", "VEV", "VVV")) {
    for (shrinkage in c(0.01, 0)) {
      end <- me(data = x, modelName = family, z = z, prior = priorControl(shrinkage = shrinkage),
                control = emControl(tol = c(1e-14, 1e-14), itmax = c(10000, 10000)))
      p <- end$parameters
      out <- c(out, sprintf("%s,%s,%g,%.12f,%s,%s,%s", name, family, shrinkage, end$loglik,
                            joined(p$pro), joined(p$mean), joined(p$variance$sigma)))
    }
  }
}
writeLines(out, "mclust_prior.csv")

# The best models by Mclust's own start, in mclust's sign: larger is better.
out <- "data,model,G,bic,loglik"
for (name in names(problems)) {
  found <- suppressWarnings(Mclust(problems[[name]]$x, prior = priorControl(), verbose = FALSE))
  out <- c(out, sprintf("%s,%s,%d,%.9f,%.9f", name, found$modelName, found$G, found$bic,
                        found$loglik))
}
writeLines(out, "mclust_prior_bic.csv")
