# Makes hierarchical.csv: partitions by R mclust's model-based hierarchical agglomeration, hc().
# Run in this folder: Rscript make_hierarchical.R > hierarchical.csv
# Needs R with mclust 6.0.0 (Debian 12: r-cran-mclust).
# The partition of equal rows is passed by name: it is the documented default, but mclust 6.0.0 then
# begins with single rows, and the ties among equal ones decide the tree.
# A line: data, model, use, the labels of the cut into 9 clusters (a digit a row), and for
# k = 8 .. 2 the labels of those 9 clusters in the cut into k (nine digits each). "inexact" counts
# the cuts into 3 .. 60 clusters from which hc, begun anew, merges another pair than it did: mclust's
# stored costs were then not those of its criterion (rounding apart).
suppressMessages(library(mclust))

packaged <- file.path("..", "..", "src", "ellimix", "datasets")
problems <- list(iris = file.path(packaged, "iris.csv"),
                 faithful = file.path(packaged, "faithful.csv"),
                 diabetes = "diabetes.csv")
read <- function(file) as.matrix(read.csv(file))
# the same with no two pairs of rows equally far: ties are resolved by rounding or by order
untied <- function(x) x + 1e-4 * sin(row(x) * (1 + 10 * col(x)))
tables <- lapply(problems, read)
tables$iris_untied <- untied(tables$iris)
tables$faithful_untied <- untied(tables$faithful)
digits <- function(labels) paste(match(labels, unique(labels)), collapse = "")

cat(paste(c("data", "model", "use", "inexact", "k9", paste0("k", 8:2)), collapse = ","), "\n", sep = "")
for (name in names(tables)) {
  x <- tables[[name]]
  for (model in c("EII", "VII", "EEE", "VVV")) {
    for (use in c("VARS", "STD", "SPH", "PCS", "SVD")) {
      cut <- hclass(hc(x, modelName = model, use = use, partition = dupPartition(x)), 2:60)
      inexact <- sum(sapply(3:60, function(k) {
        now <- match(cut[, k - 1], unique(cut[, k - 1]))
        again <- hclass(hc(x, modelName = model, use = use, partition = now), k - 1)
        adjustedRandIndex(again, cut[, k - 2]) < 1
      }))
      nine <- match(cut[, "9"], unique(cut[, "9"]))
      first <- match(1:9, nine)
      coarser <- sapply(8:2, function(k) digits(cut[first, as.character(k)]))
      cat(paste(c(name, model, use, inexact, digits(nine), coarser), collapse = ","), "\n", sep = "")
    }
  }
}
