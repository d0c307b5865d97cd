"""Training: the objective, the optimizer, the step and the loop."""
