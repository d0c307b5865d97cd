"""The page: a text coloured by what units do, with the model in it."""
