"""The page: a text colored by what units do, with the model in it."""
