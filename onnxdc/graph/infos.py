"""Which initializers that are outputs, too, have a value_info: onnx_ir keeps one type for both and writes it twice."""

from __future__ import annotations

from typing import Final

import onnx_ir as ir

_HAS_NONE: Final = "onnxdc.has_no_info"  # in the meta of a value


def leave_out_info(value: ir.Value) -> None:
    """Note that an initializer is to have no value_info, though the graph's output gives it a type."""
    value.meta[_HAS_NONE] = True


def has_no_info(value: ir.Value) -> bool:
    """Tell whether that was noted."""
    return bool(value.meta.get(_HAS_NONE))
