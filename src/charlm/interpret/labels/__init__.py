"""Labels: what holds at each character of a text, told from the text alone."""
