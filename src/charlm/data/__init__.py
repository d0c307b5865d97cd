"""Characters: vocabularies, corpora and the streams of windows cut from them."""
