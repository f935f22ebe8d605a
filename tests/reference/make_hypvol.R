# Makes hypvol.csv: R mclust's volume of the region of noise, of the data and of the data turned.
# Run in this folder: Rscript make_hypvol.R
# Needs R with mclust 6.0.0 (Debian 12: r-cran-mclust).
# `bounds` is the volume of the box along the features, computed here; hypvol's is not above it.
suppressMessages(library(mclust))

packaged <- file.path("..", "..", "src", "ellimix", "datasets")
read <- function(file) as.matrix(read.csv(file))
iris_rows <- read(file.path(packaged, "iris.csv"))[, 1:4]
storage.mode(iris_rows) <- "double"
problems <- list(
  iris = iris_rows,
  iris_12 = iris_rows[, 1:2],
  faithful = read(file.path(packaged, "faithful.csv")),
  diabetes = read("diabetes.csv"),
  acidity = read("acidity.csv")
)

out <- data.frame()
for (name in names(problems)) {
  rows <- problems[[name]]
  bounds <- prod(apply(rows, 2, function(x) diff(range(x))))
  out <- rbind(out, data.frame(data = name, hypvol = sprintf("%.15g", hypvol(rows)),
                               bounds = sprintf("%.15g", bounds)))
}
write.csv(out, "hypvol.csv", row.names = FALSE, quote = FALSE)
