"""The portable body: every operator of the domain as a model-local function of standard ONNX operators.

A runtime without the native library inlines these functions. Their inputs are constant, so onnxruntime folds the whole
decoder when it creates the session, and what runs is the dense model.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

import onnx
from onnx import TensorProto

from onnxdc.domain.operators import DECODE_WEIGHT, INT, OPERATORS
from onnxdc.domain.portable.body import Body, Reference
from onnxdc.domain.portable.decode import decode_function
from onnxdc.domain.portable.epilogue import epilogue
from onnxdc.domain.portable.symbols import symbols_functions
from onnxdc.numeric.weight import DEFAULT_CHUNK_SIZE, TENSORS


def portable_functions(
    op_types: Iterable[str],
    opset: int,
    chunk_size: int = DEFAULT_CHUNK_SIZE,
    attributes: Collection[str] | None = None,
    stream_bytes: int = 0,
) -> list[onnx.FunctionProto]:
    """Write the functions that a model with nodes of ``op_types`` must carry, those that they call included.

    Args:
        op_types: The names of operators of the domain ``onnxdc``.
        opset: The version of the default domain that the model imports, 11 or later.
        chunk_size: The largest chunk size of the model's weights, a power of two.
        attributes: The attributes that the model's nodes have, with group_axis if some weight has several codebooks and
            dtype if some weight is not float32; the bodies refer to no others, which keeps them small. onnx.reference
            wants every attribute that a body refers to on the node; onnxruntime takes defaults. All by default.
        stream_bytes: The length of the longest stream of the model's weights: the bodies are laid out to load it fast.

    Raises:
        ValueError: The domain does not have an operator.
    """
    wanted = sorted(set(op_types))
    unknown = set(wanted) - {DECODE_WEIGHT, *OPERATORS}
    if unknown:
        raise ValueError(f"no such operator in the domain onnxdc: {', '.join(sorted(unknown))}")
    if not wanted:
        return []
    grouped, typed = (attributes is None or name in attributes for name in ("group_axis", "dtype"))
    sparse = [_sparse(name, opset, attributes, grouped=grouped) for name in wanted if name in OPERATORS]
    symbols = symbols_functions(opset, chunk_size, stream_bytes)
    return [*symbols, decode_function(opset, grouped=grouped, typed=typed), *sparse]


def _sparse(name: str, opset: int, attributes: Collection[str] | None, *, grouped: bool) -> onnx.FunctionProto:
    """Write the operator ``name``: DecodeWeight, the standard operator with its attributes, and what is fused."""
    operator = OPERATORS[name]
    body = Body(name, [*operator.before, *TENSORS, *operator.after, *operator.fused_inputs], opset)
    group_axis = {"group_axis": Reference("group_axis", INT)} if grouped else {}
    weight = body.call(DECODE_WEIGHT, *TENSORS, **group_axis, dtype=TensorProto.FLOAT)
    references = {
        key: Reference(key, kind)
        for key, kind in operator.attributes.items()
        if attributes is None or key in attributes
    }
    product = body.op(operator.standard, *operator.before, weight, *operator.after, **references)
    return body.function(epilogue(body, operator, product))
