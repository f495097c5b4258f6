"""Real language models taught the curriculum: the study of results/continual."""
