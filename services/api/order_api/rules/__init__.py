"""Rules: how well each has worked, by the labels of its hits."""
