"""What the front doors share: one-line errors, and configs unpacked."""
