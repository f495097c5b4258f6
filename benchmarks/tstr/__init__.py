"""Train on synthetic, test on real: the studies of results/tstr, their judge and tables, and what they cost beside peers."""
