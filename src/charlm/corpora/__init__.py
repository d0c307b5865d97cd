"""The named corpora: what each is, where it comes from, and how it is made."""
