"""A study on many machines: bytes, times, and a plan on paper (results/cluster)."""
