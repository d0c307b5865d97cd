"""Writing: text drawn from a language model."""
