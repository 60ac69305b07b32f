"""Models, inputs and rows of the table of bytes."""
