"""Choosing a model: our search beside mclust's and scikit-learn's usual loop."""
