"""Small language models on the CPU: steps beside peers, learning rates, representations."""
