"""Benchmarks beside peers, and the studies of results/: each is `python -m benchmarks.NAME`, from the repository's root."""
