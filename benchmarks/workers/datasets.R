# Writes R's own small data sets as CSV files: Rscript datasets.R FOLDER
suppressMessages(library(mclust))
folder <- commandArgs(TRUE)[1]
of_mclust <- new.env()
names <- c("acidity", "diabetes", "thyroid", "banknote", "wdbc", "chevron",
           "Baudry_etal_2010_JCGS_examples")
data(list = names, package = "mclust", envir = of_mclust)
without <- function(table, columns) table[, setdiff(colnames(table), columns)]

sets <- list(
  diabetes = without(of_mclust$diabetes, "class"),
  thyroid = without(of_mclust$thyroid, "Diagnosis"),
  banknote = without(of_mclust$banknote, "Status"),
  wdbc_worst = of_mclust$wdbc[, 23:32],
  chevron = without(of_mclust$chevron, "class"),
  baudry_4.1 = of_mclust$ex4.1,
  baudry_4.2 = of_mclust$ex4.2,
  baudry_4.3 = of_mclust$ex4.3,
  baudry_4.4.1 = of_mclust$ex4.4.1,
  baudry_4.4.2 = of_mclust$ex4.4.2,
  trees = trees,
  swiss = swiss,
  USArrests = USArrests,
  quakes = quakes,
  attitude = attitude,
  stackloss = stackloss,
  airquality = na.omit(airquality)[, c("Ozone", "Solar.R", "Wind", "Temp")],
  mtcars = mtcars[, c("mpg", "disp", "hp", "wt", "qsec")],
  acidity = of_mclust$acidity,
  test1d = of_mclust$Test1D,
  precip = precip,
  rivers = rivers,
  islands_log = log(islands),
  nhtemp = as.vector(nhtemp)
)
if (requireNamespace("MASS", quietly = TRUE)) sets$galaxies <- MASS::galaxies / 1000
for (name in names(sets)) {
  table <- as.matrix(sets[[name]])
  stopifnot(is.numeric(table), all(is.finite(table)))
  lines <- apply(table, 1, function(row) paste(sprintf("%.17g", row), collapse = ","))
  writeLines(lines, file.path(folder, paste0(name, ".csv")))
}
