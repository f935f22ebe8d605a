# Makes mclust_bic/{iris,faithful,diabetes,acidity}.csv: R mclust's BIC of every cell of its search.
# Run in this folder: Rscript make_mclust_bic.R
# Needs R with mclust 6.0.0 (Debian 12: r-cran-mclust).
# The sign is mclust's: 2 log L - p log n, LARGER is better, the negative of ellimix's bic.
# An empty field is a cell that mclust has no value for. With one feature there are the families E
# and V; acidity is mclust's own data set (155 rows), written to acidity.csv beside this file.
suppressMessages(library(mclust))

packaged <- file.path("..", "..", "src", "ellimix", "datasets")
read <- function(file) as.matrix(read.csv(file))
data(acidity, package = "mclust")
write.csv(data.frame(acidity = acidity), "acidity.csv", row.names = FALSE)
problems <- list(
  iris = read(file.path(packaged, "iris.csv")),
  faithful = read(file.path(packaged, "faithful.csv")),
  diabetes = read("diabetes.csv"),
  acidity = acidity
)

dir.create("mclust_bic", showWarnings = FALSE)
for (name in names(problems)) {
  set.seed(0)
  table <- mclustBIC(problems[[name]], G = 1:9, verbose = FALSE)
  lines <- apply(table, 2, function(column) ifelse(is.na(column), "", sprintf("%.9f", column)))
  content <- cbind(n_components = rownames(table), lines)
  write.csv(content, file.path("mclust_bic", paste0(name, ".csv")), quote = FALSE, row.names = FALSE)
}
