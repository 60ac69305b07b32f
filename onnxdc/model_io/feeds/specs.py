"""The inputs of a model: their types and sizes, those that its weights imply, and the range of their integers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
import onnx_ir as ir

from onnxdc.domain.operators import DOMAIN
from onnxdc.errors import ModelError
from onnxdc.graph.constants import constant_tensor
from onnxdc.graph.passing import CUTTING, PASSING
from onnxdc.model_io.feeds.implied import implied_sizes
from onnxdc.numeric.weight import TENSORS

Feed: TypeAlias = dict[str, np.ndarray]

_EXTENT: Final = TENSORS.index("extent")  # the input of SparseQuantGather that has the shape of the table, ...
_SHAPE: Final = 2  # ... from this element on
_LARGEST: Final = 2**31 - 1  # a size above this, or below 1, is a mistake of whoever wrote it, and counts as unknown


@dataclass(frozen=True)
class InputSpec:
    """One input of a model.

    Attributes:
        name: The name of the input.
        dtype: The numpy type of its elements.
        shape: A number for each dimension, or its symbol, or None if it has neither.
        limit: The number that integers must be below; None if nothing says so.
        implied: The sizes of open dimensions that a weight implies, by axis.
    """

    name: str
    dtype: np.dtype
    shape: tuple[int | str | None, ...]
    limit: int | None = None
    implied: tuple[tuple[int, int], ...] = ()


def input_specs(model: ir.Model, where: str) -> list[InputSpec]:
    """Return the inputs of a model, without those that have a default.

    Raises:
        ModelError: An input is no tensor, or its type or rank is not known.
    """
    return [_spec(value, where) for value in model.graph.inputs if value.name not in model.graph.initializers]


def forget_impossible_sizes(model: ir.Model) -> bool:
    """Leave open what its inputs say of sizes that no array has: onnxruntime would insist on them.

    Returns:
        Whether there was any.
    """
    impossible = [
        value
        for value in model.graph.inputs
        if any(isinstance(size, int) and _known_size(size) is None for size in value.shape or ())
    ]
    for value in impossible:
        value.shape = ir.Shape(map(_known_size, value.shape or ()))
    return bool(impossible)


def _spec(value: ir.Value, where: str) -> InputSpec:
    if not isinstance(value.type, ir.TensorType) or value.shape is None:
        raise ModelError(f"{where}: input {value.name}: expected a tensor of known rank, got {value.type}")
    dtype = np.dtype(object) if value.dtype is ir.DataType.STRING else np.dtype(value.type.dtype.numpy())
    shape = tuple(map(_known_size, value.shape))
    implied = {axis: size for axis, size in implied_sizes(value).items() if not isinstance(shape[axis], int)}
    return InputSpec(value.name or "", dtype, shape, min(_limits(value), default=None), tuple(implied.items()))


def _known_size(dimension: int | ir.SymbolicDim) -> int | str | None:
    if isinstance(dimension, ir.SymbolicDim):
        return dimension.value
    return dimension if 0 < dimension <= _LARGEST else None


def _limits(value: ir.Value) -> Iterator[int]:
    """Yield the sizes of the tables that a value indexes, and the depths of the one-hot codes that it chooses."""
    found = [value]
    for current in found:  # which grows
        for node, index in current.uses():
            if node.op_type in PASSING | CUTTING and index == 0:
                found += node.outputs
            elif node.op_type == "Gather" and index == 1:
                table = constant_tensor(node.inputs[0]) if node.inputs[0] else None
                if table is not None:
                    yield int(table.shape.numpy()[node.attributes.get_int("axis", 0)])
            elif node.op_type == "SparseQuantGather" and node.domain == DOMAIN and index == len(node.inputs) - 1:
                yield from _constant(node.inputs[_EXTENT], _SHAPE + node.attributes.get_int("axis", 0))
            elif node.op_type == "OneHot" and index == 0:
                yield from _constant(node.inputs[1], 0)


def _constant(value: ir.Value | None, index: int) -> Iterator[int]:
    """Yield element ``index`` of a constant, if it is one."""
    tensor = constant_tensor(value) if value is not None else None
    if tensor is not None:
        yield int(tensor.numpy().reshape(-1)[index])
