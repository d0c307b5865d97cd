"""Which unit follows which label, measured on held-out text and against controls."""
