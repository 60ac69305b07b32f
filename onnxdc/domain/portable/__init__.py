"""Each operator of the domain as a model-local function of standard operators."""

from onnxdc.domain.portable.functions import portable_functions

__all__ = ["portable_functions"]
