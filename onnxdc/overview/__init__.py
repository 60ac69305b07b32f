"""Find out all that a page about a compressed file shows."""

from onnxdc.overview.look import look

__all__ = ["look"]
