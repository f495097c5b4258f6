"""The generator chosen by likelihood: its scores, costs and probes (results/generator)."""
