"""Training: the objective, the optimiser, the step and the loop."""
