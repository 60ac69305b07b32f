"""One number in: the best model of a size, or the smallest one that keeps what it should."""
