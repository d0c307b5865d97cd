"""The model: pure functions of parameters and carry."""
