"""Which knob removes which bias of a log (results/unbiased)."""
