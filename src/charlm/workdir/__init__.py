"""The workdir: what a run leaves, and all that anyone else needs of it."""
