"""Bring a model of an old operator set to 11, the oldest that a compressed model can have, and check the result."""

from onnxdc.model_io.upgrade.comparison import compare
from onnxdc.model_io.upgrade.convert import Upgraded, upgraded

__all__ = ["Upgraded", "compare", "upgraded"]
