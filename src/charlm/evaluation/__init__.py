"""Scoring: what a model's loss on a text is."""
