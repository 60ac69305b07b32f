"""Store integer biases of quantized layers as the floats that they were rounded from, in two bytes an element.

A bias of a layer between DequantizeLinear and QuantizeLinear is int32, of the scale that its products have::

    b = DequantizeLinear (integers, scale)
    y = Conv (x, w, b)

Where x and w come from DequantizeLinear with the scales ``x_scale`` and ``step``, and the integers are what a bias in
float16 gives, these become::

    integers, scale = onnxdc.QuantizeBias (bias, x_scale, step)
    b = DequantizeLinear (integers, scale)
    y = Conv (x, w, b)

onnxruntime folds the node when it creates a session, before it looks for layers of integers. The bias has the place of
the integers among the initializers. That of the scale is recorded unless it came right after them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from onnxdc.domain.group import copied
from onnxdc.domain.operators import DOMAIN, QUANTIZE_BIAS
from onnxdc.domain.weight_origin import describe
from onnxdc.errors import ModelError
from onnxdc.graph.names import Names
from onnxdc.graph.walk import node_name

_LAYERS: Final = frozenset({"Conv", "Gemm"})
_BIAS: Final = 2  # the number of the input
_INT32: Final = 2.0**31
_OVERHEAD: Final = 40  # bytes of the node, less those of the scale's tensor
_FUNCTION: Final = 300  # bytes of the function, at most


def quantized_bias(
    bias: np.ndarray, x_scale: np.ndarray, step: np.ndarray
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Return the integers of a bias and their scale, as the function computes them in float32.

    Args:
        bias: The bias, float16.
        x_scale: The scale of the inputs of its layer, float32.
        step: The scale of the weight, float32.
    """
    scale = np.asarray(x_scale * step, np.float32)
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        rounded = np.rint(bias.astype(np.float32) / scale)
        return np.asarray(rounded, np.float32).astype(np.int32), scale


def store_biases(model: ir.Model, names: Names) -> dict[str, int] | None:
    """Store the integer biases of the main graph as floats, where that is exact and makes the file smaller.

    Args:
        model: The model, which is changed in place; the function is not added.
        names: Its names.

    Returns:
        For the names of biases whose scale did not follow their integers the index that it had among the initializers;
        None if none was stored.
    """
    storable = (each for node in model.graph if (each := _storable(node, model.graph)) is not None)
    found = [(inputs, bias) for inputs, bias in storable if 2 * bias.size > _OVERHEAD]
    if sum(2 * bias.size - _OVERHEAD for _, bias in found) <= _FUNCTION:
        return None
    first = model.graph[0]
    stored = {inputs[0]: _store(inputs, bias, first, names) for inputs, bias in found}
    places = {value: index for index, value in enumerate(model.graph.initializers.values())}
    gone = {scale for (_, scale, *_), _ in found}
    record = {
        stored[integers].name or "": places[scale]
        for (integers, scale, *_), _ in found
        if places[scale] != places[integers] + 1
    }
    kept = [stored.get(value, value) for value in places if value not in gone]
    model.graph.initializers.clear()
    for value in kept:
        model.graph.initializers.add(value)
    return record


def restore_biases(model: ir.Model, record: Mapping[str, int]) -> None:
    """Make integers and scales again of the biases that are stored as floats.

    Args:
        model: The model, which is changed in place.
        record: What ``store_biases`` returned.

    Raises:
        ModelError: A node is not of the form that encoding gives it.
    """
    graph = model.graph
    values = {value: [value] for value in graph.initializers.values()}
    late: list[tuple[int, ir.Value]] = []
    nodes = [node for node in graph if node.domain == DOMAIN and node.op_type == QUANTIZE_BIAS]
    for node in nodes:
        _check(node)
        given = [value.const_value.numpy() for value in node.inputs if value is not None and value.const_value]
        restored = []
        for output, array in zip(node.outputs, quantized_bias(*given), strict=True):
            value = copied(output)
            value.const_value = ir.Tensor(array, name=value.name)
            output.replace_all_uses_with(value, replace_graph_outputs=True)
            restored.append(value)
        bias = node.inputs[0]
        assert bias is not None, "checked above"
        place = record.get(bias.name or "")
        values[bias] = restored if place is None else restored[:1]
        late += [] if place is None else [(place, restored[1])]
    biases = {node.inputs[0].name for node in nodes if node.inputs[0] is not None}
    graph.remove(nodes, safe=True)
    most = sum(map(len, values.values())) + len(late)
    for name, place in record.items():
        if name not in biases or not 0 <= place < most:
            raise ModelError(f"{name}: {QUANTIZE_BIAS}: expected a bias and a place among {most}, got {place}")
    ordered = [value for each in values.values() for value in each]
    for place, value in sorted(late, key=lambda pair: pair[0]):
        ordered.insert(place, value)
    graph.initializers.clear()
    for value in ordered:
        if value.name in graph.initializers:
            raise ModelError(f"{value.name}: two initializers are called so")
        graph.initializers.add(value)


def _check(node: ir.Node) -> None:
    """Raise ModelError unless a node is one that ``store_biases`` makes."""
    where = f"node {node_name(node)!r}"
    expected = (ir.DataType.FLOAT16, ir.DataType.FLOAT, ir.DataType.FLOAT)
    tensors = [None if value is None else value.const_value for value in node.inputs]
    if [None if tensor is None else tensor.dtype for tensor in tensors] != [*expected]:
        raise ModelError(f"{where}: {QUANTIZE_BIAS}: expected initializers of float16, float32 and float32")
    arrays = [tensor.numpy() for tensor in tensors if tensor is not None]
    shapes = [array.shape for array in arrays]
    if len(shapes[0]) != 1 or shapes[1] != () or shapes[2] not in ((), shapes[0]):
        raise ModelError(f"{where}: {QUANTIZE_BIAS}: expected shapes [n], [] and [] or [n], got {shapes}")
    if not all(np.isfinite(array).all() for array in arrays) or not (quantized_bias(*arrays)[1] > 0).all():
        raise ModelError(f"{where}: {QUANTIZE_BIAS}: expected finite numbers, and scales above 0")
    with np.errstate(over="ignore"):
        largest = np.abs(arrays[0].astype(np.float64) / quantized_bias(*arrays)[1]).max(initial=0)
    if not shapes[0][0] or largest >= _INT32:
        raise ModelError(
            f"{where}: {QUANTIZE_BIAS}: expected integers of int32, got {shapes[0][0]} up to {largest:.3g}"
        )
    bias = node.inputs[0]
    is_alone = bias is not None and len(bias.uses()) == 1 and not bias.is_graph_output() and not bias.is_graph_input()
    if not is_alone or len(node.outputs) != 2 or not all(output.name for output in node.outputs):
        raise ModelError(f"{where}: {QUANTIZE_BIAS}: expected two outputs, and a bias of its own")


def _storable(dequantize: ir.Node, graph: ir.Graph) -> tuple[list[ir.Value], NDArray[np.float16]] | None:
    """Return the integers, their scale, the scale of inputs and that of the weight, and the bias; None if it has none.

    Args:
        dequantize: A node.
        graph: Its graph.
    """
    users = [*dequantize.outputs[0].uses()] if dequantize.op_type == "DequantizeLinear" else []
    if dequantize.domain != "" or len(users) != 1 or users[0].idx != _BIAS or dequantize.outputs[0].is_graph_output():
        return None
    layer = users[0].node
    if layer.domain != "" or layer.op_type not in _LAYERS or layer.graph is not graph:
        return None
    makers = [None if value is None else value.producer() for value in layer.inputs[:2]]
    if any(maker is None or maker.op_type != "DequantizeLinear" or maker.domain != "" for maker in makers):
        return None
    scales = [maker.inputs[1] for maker in makers if maker is not None]
    values = [value for value in (*dequantize.inputs[:2], *scales) if value is not None]
    if len(values) != 4 or not all(_is_constant(value, graph) for value in values):
        return None
    if not all(_is_plain(value) and len(value.uses()) == 1 for value in values[:2]):
        return None
    integers, scale, x_scale, step = (value.const_value.numpy() for value in values if value.const_value is not None)
    bias = _exact_bias(integers, scale, x_scale, step)
    return None if bias is None else (values, bias)


def _is_constant(value: ir.Value, graph: ir.Graph) -> bool:
    """Tell whether a value is an initializer of the graph, and nothing else."""
    is_other = value.is_graph_input() or value.is_graph_output()
    return value.const_value is not None and value.graph is graph and value.is_initializer() and not is_other


def _is_plain(value: ir.Value) -> bool:
    """Tell whether nothing need be recorded of an initializer but its name and its values."""
    tensor = value.const_value
    if tensor is None or len(value.meta):
        return False
    return not describe(value, tensor, value.name or "").unusual().keys() - {"info"}


def _exact_bias(
    integers: np.ndarray, scale: np.ndarray, x_scale: np.ndarray, step: np.ndarray
) -> NDArray[np.float16] | None:
    """Return the bias in float16 that gives exactly these integers and this scale; None if there is none."""
    is_of_type = integers.dtype == np.int32 and all(each.dtype == np.float32 for each in (scale, x_scale, step))
    if not is_of_type or integers.ndim != 1 or x_scale.ndim or step.shape not in ((), integers.shape):
        return None
    with np.errstate(over="ignore", invalid="ignore"):
        bias = (integers * scale.astype(np.float64)).astype(np.float16) if scale.shape == step.shape else None
    if bias is None or not np.isfinite(bias).all() or not np.isfinite(scale).all() or not (scale > 0).all():
        return None
    given, of_products = quantized_bias(bias, x_scale, step)
    is_exact = np.array_equal(given, integers) and of_products.tobytes() == scale.tobytes()
    return bias if is_exact else None


def _store(values: list[ir.Value], bias: NDArray[np.float16], before: ir.Node, names: Names) -> ir.Value:
    """Put a node before another that makes the integers and the scale of a bias, and return the bias."""
    integers, scale, x_scale, step = values
    name = names.take_number([""])
    stored = ir.Value(name=name, const_value=ir.Tensor(bias, name=name))
    node = ir.Node(DOMAIN, QUANTIZE_BIAS, [stored, x_scale, step], outputs=[copied(integers), copied(scale)], name="")
    for old, new in zip((integers, scale), node.outputs, strict=True):
        old.replace_all_uses_with(new)
    assert before.graph is not None, "a node of a graph"
    before.graph.insert_before(before, node)
    return stored
