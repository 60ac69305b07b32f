"""The operators of ONNX over PyTorch, a file for each family; ``registry.py`` says what an operator here is."""

from onnxdc.torch.operators import (  # noqa: F401 (a family registers its operators when it is imported)
    activations,
    arithmetic,
    control,
    convolution,
    indexing,
    logic,
    normalization,
    padding,
    pooling,
    products,
    recurrent,
    reduction,
    resizing,
    shapes,
)
from onnxdc.torch.operators.registry import IMPLEMENTATIONS

SUPPORTED = tuple(sorted(IMPLEMENTATIONS))
"""The names of the operators of ONNX that have a PyTorch form."""
