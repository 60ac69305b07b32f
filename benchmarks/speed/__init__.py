"""The speed table's rows: their models, and how they are timed."""
