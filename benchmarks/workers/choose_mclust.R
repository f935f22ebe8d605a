# R's mclust: the whole search, Mclust(X), by the lines of choosing/tools.py.
#   Rscript choose_mclust.R
suppressMessages(library(mclust))

# A .npy file of float64 in C order: its header's length stands at byte 8 (format 1.0).
read_npy <- function(path, n, d) {
  file <- file(path, "rb")
  on.exit(close(file))
  size <- as.integer(readBin(file, "raw", 10)[9:10])
  readBin(file, "raw", size[1] + 256 * size[2])
  rows <- readBin(file, "double", n * d)
  if (d == 1) rows else matrix(rows, n, d, byrow = TRUE)
}

answer <- function(...) {
  cat(paste0(...), "\n", sep = "")
  flush(stdout())
}
quoted <- function(text) paste0('"', gsub('"', "'", gsub("\\s+", " ", text)), '"')
listed <- function(items) paste0("[", paste(items, collapse = ", "), "]")

# mclust's sign turned around: smaller is better, as everywhere here
cells <- function(table) {
  values <- -as.vector(table)
  found <- is.finite(values)
  families <- rep(colnames(table), each = nrow(table))
  sizes <- rep(rownames(table), times = ncol(table))
  listed(sprintf(
    '["%s", %s, %s, "%s", ""]', families, sizes,
    ifelse(found, sprintf("%.9f", values), "null"), ifelse(found, "ok", "failed")
  ))
}

answer('{"ready": {"mclust": "', as.character(packageVersion("mclust")), '", "R": "',
       as.character(getRversion()), '"}}')
input <- file("stdin", "r")
while (length(line <- readLines(input, 1)) == 1) {
  words <- strsplit(line, " ", fixed = TRUE)[[1]]
  rows <- read_npy(words[2], as.integer(words[3]), as.integer(words[4]))
  most <- if (words[5] == "-") 9L else as.integer(words[5])
  set.seed(as.integer(words[6]))
  clock <- Sys.time()
  used <- sum(proc.time()[1:2])
  model <- tryCatch(Mclust(rows, G = 1:most, verbose = FALSE), error = conditionMessage)
  seconds <- as.numeric(Sys.time() - clock, units = "secs")
  cpu <- sum(proc.time()[1:2]) - used
  if (is.null(model) || is.character(model)) {
    reason <- if (is.null(model)) "Mclust returned NULL" else model
    answer('{"error": ', quoted(reason), "}")
  } else {
    answer(
      sprintf('{"seconds": %.9f, "cpu": %.9f, ', seconds, cpu),
      sprintf('"family": "%s", "n_components": %d, "bic": %.9f, ',
              model$modelName, model$G, -model$bic),
      '"cells": ', cells(model$BIC), ', "labels": ', listed(model$classification), "}"
    )
  }
}
