"""Many small fits at once, from given statistics: what a search over models is made of."""
