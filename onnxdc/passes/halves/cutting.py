"""Give back the vectors that were joined."""

from __future__ import annotations

from itertools import accumulate
from typing import Final

import numpy as np
import onnx_ir as ir

from onnxdc.domain.group import copied
from onnxdc.domain.origin import KEY
from onnxdc.errors import ModelError
from onnxdc.passes.halves.narrow import HALVES, INTEGERS

_WIDE: Final[dict[int, np.dtype]] = {
    ir.DataType.FLOAT.value: np.dtype(np.float32),
    ir.DataType.DOUBLE.value: np.dtype(np.float64),
    ir.DataType.INT32.value: np.dtype(np.int32),
}


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


def _cut(graph: ir.Graph, name: str) -> list[ir.Value] | None:
    """Take a joined tensor and its nodes out of a graph; return its parts, None if the graph has no such tensor."""
    joined = graph.initializers.get(name)
    cast = _only_consumer(graph, joined, "Cast")
    scaling = _only_consumer(graph, cast.outputs[0], "Mul") if cast else None
    last = scaling or cast
    split = _only_consumer(graph, last.outputs[0], "Split") if last else None
    if joined is None or joined.const_value is None or joined.is_graph_input() or cast is None or split is None:
        return None
    lengths = split.inputs[1] if len(split.inputs) > 1 else None
    sizes = _sizes(split, lengths)
    array = joined.const_value.numpy()
    to = cast.attributes.get("to")
    wide = _WIDE.get(to.as_int()) if to is not None and to.type is ir.AttributeType.INT else None
    factor = scaling.inputs[1] if scaling else None
    scale = None if factor is None else _scale(factor)
    if factor is not None and (scale is None or wide != np.float32):
        return None
    narrow = INTEGERS if wide == np.int32 or factor is not None else HALVES
    if array.ndim != 1 or array.dtype not in narrow or wide is None or len(sizes) != len(split.outputs):
        return None
    if min(sizes, default=-1) < 0 or sum(sizes) != array.size or not all(output.name for output in split.outputs):
        return None
    values = array.astype(wide)
    if scale is not None:
        values *= scale
    parts = []
    for output, end, size in zip(split.outputs, accumulate(sizes), sizes, strict=True):
        value = copied(output)
        value.const_value = ir.Tensor(values[end - size : end].copy(), name=value.name)
        output.replace_all_uses_with(value, replace_graph_outputs=True)
        parts.append(value)
    graph.remove([node for node in (cast, scaling, split) if node is not None], safe=True)
    for used in (joined, factor, lengths):
        if used is not None and not used.uses() and not used.is_graph_input() and not used.is_graph_output():
            _drop(graph, used)
    return parts


def _scale(factor: ir.Value) -> np.float32 | None:
    """Return the number that a value holds, a constant scalar of float32; None if it holds no finite one."""
    tensor = factor.const_value
    if tensor is None or tensor.dtype != ir.DataType.FLOAT or len(tensor.shape) or factor.is_graph_input():
        return None
    number = np.float32(tensor.numpy())
    return number if np.isfinite(number) else None


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
