# mclust with a noise component that NNclean of prabclus begins (Byers & Raftery 1998).
#   Rscript noise_mclust.R      reads lines "FILE n d K NEIGHBOURS", FILE raw float64 by rows
# To each line one line answers: the seconds, the weight of the noise, and a label a row from 1 to K,
# 0 for noise; or "failed" and the reason.
suppressMessages(library(mclust))
suppressMessages(library(prabclus))

cat(as.character(packageVersion("mclust")), as.character(packageVersion("prabclus")), "\n")
flush(stdout())
input <- file("stdin", "r")
while (length(line <- readLines(input, 1)) == 1) {
  words <- strsplit(line, " ", fixed = TRUE)[[1]]
  n <- as.integer(words[2])
  d <- as.integer(words[3])
  rows <- matrix(readBin(words[1], "double", n * d), n, d, byrow = TRUE)
  set.seed(0)
  clock <- Sys.time()
  model <- tryCatch({
    noise <- NNclean(rows, k = as.integer(words[5]))$z == 0
    fit <- Mclust(rows, G = as.integer(words[4]), modelNames = "VVV",
                  initialization = list(noise = noise), verbose = FALSE)
    if (is.null(fit)) "Mclust returned NULL" else fit
  }, error = conditionMessage)
  seconds <- as.numeric(Sys.time() - clock, units = "secs")
  if (is.character(model)) {
    cat("failed", gsub("\\s+", " ", model), "\n")
  } else {
    weight <- rev(model$parameters$pro)[1]
    cat(sprintf("%.6f %.6f", seconds, weight), model$classification, "\n")
  }
  flush(stdout())
}
