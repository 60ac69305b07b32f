"""Join the vectors that are exact in fewer bytes."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
import onnx_ir as ir

from onnxdc.domain.group import copied, small_integers
from onnxdc.domain.operators import DOMAIN
from onnxdc.domain.weight_origin import describe
from onnxdc.graph.names import Names
from onnxdc.passes.halves.narrow import INTEGERS, best_exponent, byte_exponents, narrow_integers, narrow_type

_SIZES_OPSET: Final = 13  # the first whose Split takes sizes as an input
# Operators to which it makes no difference whether a vector is an initializer or a constant that is folded.
_READERS: Final = (
    *("Add", "BatchNormalization", "Conv", "ConvTranspose", "Div", "Gemm", "InstanceNormalization"),
    *("LayerNormalization", "Mul", "PRelu", "Sub"),
)
_READERS_OF_INTEGERS: Final = (("", "DequantizeLinear"), ("", "QLinearConv"), ("com.microsoft", "QGemm"))
OVERHEAD: Final = 170  # bytes of the joined tensor's head, of both nodes, of the sizes and of the record
SCALE_OVERHEAD: Final = 80  # bytes of the scale, and of the Mul


@dataclass(frozen=True, eq=False)
class _Vector:
    """A vector that may be stored in fewer bytes, and where it is among the initializers."""

    place: int
    value: ir.Value
    array: np.ndarray


_Kind: TypeAlias = tuple[np.dtype, np.dtype, int | None]
"""What parts of a joined tensor have in common: their type, the narrow one, the exponent of the power of two."""


def store_halves(model: ir.Model, names: Names) -> dict[str, list[int]]:
    """Join the vectors of the main graph whose values are exact in fewer bytes, where that makes the file smaller.

    Args:
        model: The model, which is changed in place.
        names: Its names.

    Returns:
        For the name of each joined tensor the indices that its parts had among the initializers.
    """
    opset = model.opset_imports.get("", 0)
    vectors = list(_vectors(model.graph))
    in_bytes, exponent = _in_bytes(vectors)
    groups: dict[_Kind, list[_Vector]] = {}
    for vector in vectors:
        if vector in in_bytes:
            kind: _Kind = (vector.array.dtype, INTEGERS[0], exponent)
        else:
            integers = vector.array.dtype == np.int32
            narrow = narrow_integers(vector.array) if integers else narrow_type(vector.array, opset)
            if narrow is None:
                continue
            kind = (vector.array.dtype, narrow, None)
        groups.setdefault(kind, []).append(vector)
    record: dict[str, list[int]] = {}
    for (wide, narrow, scale), parts in groups.items():
        if sum(part.array.size for part in parts) * (wide.itemsize - narrow.itemsize) > OVERHEAD:
            name = _join(model.graph, parts, narrow, scale, names, opset)
            record[name] = [part.place for part in parts]
    return record


def bytes_saved_by_joining(value: ir.Value, opset: int) -> int:
    """Return the bytes by which a value gets smaller if it is stored in two bytes an element, or one; 0 if neither."""
    array = joinable(value)
    if array is None:
        return 0
    if len(byte_exponents(array)):
        return array.nbytes - array.size
    return array.nbytes - 2 * array.size if narrow_type(array, opset) else 0


def joinable(value: ir.Value) -> np.ndarray | None:
    """Return the values of a vector of floats that may be joined; None for any other initializer."""
    if any(node.domain != DOMAIN and (node.domain or node.op_type not in _READERS) for node in value.consumers()):
        return None
    return _vector(value, (ir.DataType.FLOAT, ir.DataType.DOUBLE))


def _joinable_integers(value: ir.Value) -> np.ndarray | None:
    """Return the values of a vector of int32 that may be joined, such as biases and zero points; None for others."""
    if any((node.domain, node.op_type) not in _READERS_OF_INTEGERS for node in value.consumers()):
        return None
    return _vector(value, (ir.DataType.INT32,))


def _vector(value: ir.Value, types: Collection[ir.DataType]) -> np.ndarray | None:
    """Return the values of a vector of some types of which nothing need be recorded but its name; None for others."""
    tensor = value.const_value
    if tensor is None or not value.uses() or value.is_graph_input() or value.is_graph_output() or value.meta:
        return None
    if tensor.dtype not in types or len(tensor.shape) != 1 or tensor.size == 0:
        return None
    if describe(value, tensor, value.name or "").unusual().keys() - {"info"}:
        return None
    return tensor.numpy()


def _vectors(graph: ir.Graph) -> Iterator[_Vector]:
    """Yield the vectors that may be joined."""
    for index, value in enumerate(graph.initializers.values()):
        array = joinable(value)
        array = _joinable_integers(value) if array is None else array
        if array is not None:
            yield _Vector(index, value, array)


def _in_bytes(vectors: Sequence[_Vector]) -> tuple[list[_Vector], int]:
    """Return which vectors are to be integers of a byte times a power of two, and its exponent."""
    exponents = [byte_exponents(vector.array) for vector in vectors]
    exponent = best_exponent([vector.array for vector in vectors], exponents)
    if exponent is None:
        return [], 0
    able = [vector for vector, found in zip(vectors, exponents, strict=True) if exponent in found]
    return (able if sum(vector.array.size for vector in able) > OVERHEAD + SCALE_OVERHEAD else []), exponent


def _join(
    graph: ir.Graph, parts: Sequence[_Vector], narrow: np.dtype, exponent: int | None, names: Names, opset: int
) -> str:
    """Put a joined tensor in the place of its parts, and return its name."""
    name = names.take("halves", ["", ".wide", ".sizes", *([] if exponent is None else [".scale", ".scaled"])])
    scale = np.float32(1.0 if exponent is None else 2.0**exponent)
    joined = np.concatenate([part.array if exponent is None else part.array / scale for part in parts]).astype(narrow)
    initializer = ir.Value(name=name, const_value=ir.Tensor(joined, name=name))
    wide = ir.Value(name=f"{name}.wide")
    cast = ir.Node("", "Cast", [initializer], outputs=[wide], name="")
    cast.attributes.add(ir.AttrInt64("to", ir.DataType.from_numpy(parts[0].array.dtype).value))
    nodes = [cast]
    if exponent is not None:
        factor = ir.Value(name=f"{name}.scale", const_value=ir.Tensor(np.array(scale), name=f"{name}.scale"))
        graph.initializers.add(factor)
        nodes.append(ir.Node("", "Mul", [wide, factor], outputs=[ir.Value(name=f"{name}.scaled")], name=""))
    sizes = np.array([part.array.size for part in parts], np.int64)
    split = ir.Node("", "Split", [nodes[-1].outputs[0]], outputs=[copied(part.value) for part in parts], name="")
    graph.initializers.add(initializer)
    if opset >= _SIZES_OPSET:
        lengths = small_integers(f"{name}.sizes", sizes)
        split.resize_inputs(2)
        split.replace_input_with(1, lengths)
        graph.initializers.add(lengths)
    else:
        split.attributes.add(ir.AttrInt64s("split", sizes.tolist()))
    for part, output in zip(parts, split.outputs, strict=True):
        del graph.initializers[part.value.name or ""]
        part.value.replace_all_uses_with(output)
    graph.insert_before(graph[0], [*nodes, split])
    return name
