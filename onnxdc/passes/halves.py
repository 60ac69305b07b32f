"""Store small vectors, such as biases, in two bytes an element or one where that is exact, and give them back.

All vectors of a type whose values are exact in float16, or else in bfloat16, become one tensor, which a Cast widens and
a Split cuts; and so do those of int32 that are exact in int8, or else in int16. Both nodes are constant: onnxruntime
folds them when it creates a session. Take two biases::

    y = Gemm (x, w, b)
    z = Gemm (y, v, c)

They become::

    wide = Cast <to = 1> (halves)
    b, c = Split (wide, halves.sizes)
    y = Gemm (x, w, b)
    z = Gemm (y, v, c)

and the record of origins says where they were among the initializers: ``{"halves": {"halves": [2, 3]}}``.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import accumulate
from typing import Final, NamedTuple

import numpy as np
import onnx_ir as ir

from onnxdc.domain.group import copied, small_integers
from onnxdc.domain.operators import DOMAIN
from onnxdc.domain.origin import KEY
from onnxdc.domain.weight_origin import describe
from onnxdc.errors import ModelError
from onnxdc.graph.names import Names
from onnxdc.numeric.arrays import BFLOAT16, bit_patterns

_WIDE: Final[dict[int, np.dtype]] = {
    ir.DataType.FLOAT.value: np.dtype(np.float32),
    ir.DataType.DOUBLE.value: np.dtype(np.float64),
    ir.DataType.INT32.value: np.dtype(np.int32),
}
_NARROW: Final = (np.dtype(np.float16), BFLOAT16)
_NARROW_INTEGERS: Final = (np.dtype(np.int8), np.dtype(np.int16))
_SIZES_OPSET: Final = 13  # the first whose Split takes sizes as an input, and whose Cast takes bfloat16
# Operators to which it makes no difference whether a vector is an initializer or a constant that is folded.
_READERS: Final = (
    *("Add", "BatchNormalization", "Conv", "ConvTranspose", "Div", "Gemm", "InstanceNormalization"),
    *("LayerNormalization", "Mul", "PRelu", "Sub"),
)
_READERS_OF_INTEGERS: Final = (("", "DequantizeLinear"), ("", "QLinearConv"), ("com.microsoft", "QGemm"))
OVERHEAD: Final = 170  # bytes of the joined tensor's head, of both nodes, of the sizes and of the record


class _Vector(NamedTuple):
    """A vector that can be stored in fewer bytes, and where it is among the initializers."""

    place: int
    value: ir.Value
    array: np.ndarray


def store_halves(model: ir.Model, names: Names) -> dict[str, list[int]]:
    """Join the vectors of the main graph whose values are exact in fewer bytes, where that makes the file smaller.

    Args:
        model: The model, which is changed in place.
        names: Its names.

    Returns:
        For the name of each joined tensor the indices that its parts had among the initializers.
    """
    vectors: dict[tuple[np.dtype, np.dtype], list[_Vector]] = {}
    opset = model.opset_imports.get("", 0)
    for index, value in enumerate(model.graph.initializers.values()):
        array, narrow = joinable(value), None
        if array is not None:
            narrow = narrow_type(array, opset)
        elif (array := _joinable_integers(value)) is not None:
            narrow = _narrow_integers(array)
        if array is not None and narrow is not None:
            vectors.setdefault((array.dtype, narrow), []).append(_Vector(index, value, array))
    record: dict[str, list[int]] = {}
    for (wide, narrow), parts in vectors.items():
        if sum(part.array.size for part in parts) * (wide.itemsize - narrow.itemsize) > OVERHEAD:
            name = _join(model.graph, parts, narrow, names, opset)
            record[name] = [part.place for part in parts]
    return record


def bytes_saved_as_half(value: ir.Value, opset: int) -> int:
    """Return the bytes by which a value gets smaller if it is stored in two bytes an element; 0 if it cannot be."""
    array = joinable(value)
    return 0 if array is None or narrow_type(array, opset) is None else array.nbytes - 2 * array.size


def restore_halves(model: ir.Model, record: dict[str, list[int]]) -> None:
    """Make initializers again of the parts of joined tensors.

    Args:
        model: The model, which is changed in place.
        record: What ``store_halves`` returned.

    Raises:
        ModelError: The model does not have what was recorded.
    """
    graph = model.graph
    restored: list[tuple[int, ir.Value]] = []
    for name, indices in record.items():
        parts = _cut(graph, name)
        if parts is None or len(parts) != len(indices):
            raise ModelError(
                f"metadata entry {KEY}: halves: expected a Cast and a Split of {name!r} into {len(indices)} parts"
            )
        restored += zip(indices, parts, strict=True)
    values = list(graph.initializers.values())
    for index, value in sorted(restored, key=lambda pair: pair[0]):
        if value.name in graph.initializers:
            raise ModelError(f"metadata entry {KEY}: halves: two initializers are called {value.name!r}")
        values.insert(index, value)
    graph.initializers.clear()
    for value in values:
        graph.initializers.add(value)


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


def _narrow_integers(array: np.ndarray) -> np.dtype | None:
    """Return the first type of fewer bytes that holds all integers."""
    return next((narrow for narrow in _NARROW_INTEGERS if np.array_equal(array.astype(narrow), array)), None)


def narrow_type(array: np.ndarray, opset: int) -> np.dtype | None:
    """Return the first type of two bytes that holds all values exactly; none holds a NaN, whose bits may change."""
    if np.isnan(array).any():  # to convert a signalling one warns, too
        return None
    for narrow in _NARROW[: 2 if opset >= _SIZES_OPSET else 1]:
        with np.errstate(over="ignore"):
            back = array.astype(narrow).astype(array.dtype)
        if np.array_equal(bit_patterns(back), bit_patterns(array)):
            return narrow
    return None


def _join(graph: ir.Graph, parts: Sequence[_Vector], narrow: np.dtype, names: Names, opset: int) -> str:
    """Put a joined tensor in the place of its parts, and return its name."""
    name = names.take("halves", ["", ".wide", ".sizes"])
    joined = np.concatenate([part.array.astype(narrow) for part in parts])
    initializer = ir.Value(name=name, const_value=ir.Tensor(joined, name=name))
    wide = ir.Value(name=f"{name}.wide")
    cast = ir.Node("", "Cast", [initializer], outputs=[wide], name="")
    cast.attributes.add(ir.AttrInt64("to", ir.DataType.from_numpy(parts[0].array.dtype).value))
    sizes = np.array([part.array.size for part in parts], np.int64)
    split = ir.Node("", "Split", [wide], outputs=[copied(part.value) for part in parts], name="")
    graph.initializers.add(initializer)
    if opset >= _SIZES_OPSET:
        lengths = small_integers(f"{name}.sizes", sizes)
        split.resize_inputs(2)
        split.replace_input_with(1, lengths)
        graph.initializers.add(lengths)
    else:
        split.attributes.add(ir.AttrInt64s("split", sizes.tolist()))
    for part, output in zip(parts, split.outputs, strict=True):
        _drop(graph, part.value)
        part.value.replace_all_uses_with(output)
    graph.insert_before(graph[0], [cast, split])
    return name


def _cut(graph: ir.Graph, name: str) -> list[ir.Value] | None:
    """Take a joined tensor and its nodes out of a graph; return its parts, None if the graph has no such tensor."""
    joined = graph.initializers.get(name)
    cast = _only_consumer(graph, joined, "Cast")
    split = _only_consumer(graph, cast.outputs[0], "Split") if cast else None
    if joined is None or joined.const_value is None or joined.is_graph_input() or cast is None or split is None:
        return None
    lengths = split.inputs[1] if len(split.inputs) > 1 else None
    sizes = _sizes(split, lengths)
    array = joined.const_value.numpy()
    to = cast.attributes.get("to")
    wide = _WIDE.get(to.as_int()) if to is not None and to.type is ir.AttributeType.INT else None
    narrow = _NARROW_INTEGERS if wide == np.int32 else _NARROW
    if array.ndim != 1 or array.dtype not in narrow or wide is None or len(sizes) != len(split.outputs):
        return None
    if min(sizes, default=-1) < 0 or sum(sizes) != array.size or not all(output.name for output in split.outputs):
        return None
    parts = []
    for output, end, size in zip(split.outputs, accumulate(sizes), sizes, strict=True):
        value = copied(output)
        value.const_value = ir.Tensor(array[end - size : end].astype(wide), name=value.name)
        output.replace_all_uses_with(value, replace_graph_outputs=True)
        parts.append(value)
    graph.remove([cast, split], safe=True)
    for used in (joined, lengths):
        if used is not None and not used.uses() and not used.is_graph_input() and not used.is_graph_output():
            _drop(graph, used)
    return parts


def _drop(graph: ir.Graph, value: ir.Value) -> None:
    del graph.initializers[value.name or ""]


def _only_consumer(graph: ir.Graph, value: ir.Value | None, op_type: str) -> ir.Node | None:
    """Return the standard node of a type in a graph that alone uses a value; None where that is not how it is."""
    uses = tuple(value.uses()) if value is not None and not value.is_graph_output() else ()
    node = uses[0].node if len(uses) == 1 else None
    found = node is not None and node.graph is graph and (node.domain, node.op_type) == ("", op_type)
    return node if found else None


def _sizes(split: ir.Node, lengths: ir.Value | None) -> list[int]:
    """Return the sizes that a Split says; none if it does not say them."""
    if lengths is None:
        attribute = split.attributes.get("split")
        said = attribute.type is ir.AttributeType.INTS if attribute is not None else False
        return list(attribute.as_ints()) if attribute is not None and said else []
    tensor = lengths.const_value
    if tensor is None or tensor.dtype != ir.DataType.INT64 or len(tensor.shape) != 1:
        return []
    return [int(size) for size in tensor.numpy()]
