"""Looking inside a model: what its units do at each character, and what they mean."""
