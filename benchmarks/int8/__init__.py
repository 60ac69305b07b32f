"""What other tools make of a model in integers, coded and uncoded."""
