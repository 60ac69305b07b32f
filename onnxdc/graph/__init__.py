"""What a model holds: graphs, constants and shapes, and which constants are weights; nothing of our own in it."""
