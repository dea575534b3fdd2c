"""Benchmarks: `make bench`. Everything real, in a temporary folder; figures as ratios within one run."""
