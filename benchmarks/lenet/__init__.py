"""The paper's experiment, LeNet-300-100 and LeNet-5 on MNIST: what ``paper.py`` is made of."""
