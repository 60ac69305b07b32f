"""The portable body: every operator of the domain as a model-local function of standard ONNX operators.

A runtime without the native library inlines these functions. What decoding takes is constant, so onnxruntime folds the
whole decoder when it creates the session, and what runs is the dense model.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

import onnx
from onnx import TensorProto

from onnxdc.domain.operators import DECODERS, GRID, GROUP_INPUTS, INT, OPERATORS, VALUES
from onnxdc.domain.portable.body import Body, Reference
from onnxdc.domain.portable.decode import ANY, FORMALS, READ, decode_any_function, decode_function, least_step
from onnxdc.domain.portable.dynamic import dynamic_product, rounding_functions
from onnxdc.domain.portable.epilogue import epilogue
from onnxdc.domain.portable.symbols import SymbolsLayout, symbols_functions


def portable_functions(
    op_types: Iterable[str],
    opset: int,
    layouts: Sequence[SymbolsLayout] = (),
    *,
    decoders: Collection[str] = DECODERS,
    attributes: Collection[str] | None = None,
    nibbles: bool = True,
) -> list[onnx.FunctionProto]:
    """Write the functions that a model with nodes of ``op_types`` must carry, those that they call included.

    Args:
        op_types: The names of operators of the domain ``onnxdc``, except those that yield symbols.
        opset: The version of the default domain that the model imports, 11 or later.
        layouts: The inputs of each node that yields symbols.
        decoders: Which of ``DECODERS`` decode the weights of sparse operators.
        attributes: The attributes that the model's nodes have, with group_axis if some weight has several groups and
            dtype if some weight is not float32; the bodies refer to no others, which keeps them small. onnx.reference
            wants every attribute that a body refers to on the node; onnxruntime takes defaults. All by default.
        nibbles: Whether some weight has integers of four bits.

    Raises:
        ValueError: The domain does not have an operator.
    """
    wanted = sorted(set(op_types))
    unknown = set(wanted) - {*DECODERS, *OPERATORS}
    if unknown:
        raise ValueError(f"no such operator in the domain onnxdc: {', '.join(sorted(unknown))}")
    grouped, typed = (attributes is None or name in attributes for name in ("group_axis", "dtype"))
    sparse = [name for name in wanted if name in OPERATORS]
    inner = next(iter(decoders)) if len(decoders) == 1 else ANY
    functions = symbols_functions(opset, layouts)
    for name in sorted({*wanted, *([inner] if sparse else [])} & set(DECODERS)):
        functions.append(decode_function(name, opset, grouped=grouped, typed=typed, nibbles=nibbles))
    if sparse and inner == ANY:
        functions.append(decode_any_function(opset, grouped=grouped))
    kinds = {kind for kind in (VALUES, GRID) if any(name.endswith(kind) for name in decoders)}
    dynamic = {OPERATORS[name].standard for name in sparse if OPERATORS[name].dynamic}
    functions += rounding_functions(dynamic, opset, stepped=GRID in kinds)
    bodies = (_sparse(name, inner, opset, attributes, kinds, grouped=grouped, typed=typed) for name in sparse)
    return [*functions, *bodies]


def _sparse(
    name: str,
    decoder: str,
    opset: int,
    attributes: Collection[str] | None,
    kinds: Collection[str],
    *,
    grouped: bool,
    typed: bool,
) -> onnx.FunctionProto:
    """Write the operator ``name``: the dense weight, its product with its attributes, and what is fused."""
    operator = OPERATORS[name]
    body = Body(name, [*operator.before, *FORMALS, *operator.after, *operator.fused_inputs], opset)
    group = {"group_axis": Reference("group_axis", INT)} if grouped else {}
    dtype = {"dtype": TensorProto.FLOAT} if typed and decoder != ANY else {}
    read = [name if name in READ else "" for name in GROUP_INPUTS]
    weight = body.call(decoder, *read, **group, **dtype)
    references = {
        key: Reference(key, kind)
        for key, kind in operator.attributes.items()
        if attributes is None or key in attributes
    }
    if operator.dynamic:
        step = least_step(body, valued=VALUES in kinds, grouped=grouped) if GRID in kinds else ""
        product = dynamic_product(body, operator, weight, step, references)
    else:
        product = body.op(operator.standard, *operator.before, weight, *operator.after, **references)
    return body.function(epilogue(body, operator, product))
