"""Run two models on the same inputs, and say whether one can stand for the other."""

from onnxdc.evaluate.comparing import AGREEMENT, verify
from onnxdc.evaluate.limits import LIMITS

__all__ = ["AGREEMENT", "LIMITS", "verify"]
