"""What is left to do after onnxruntime's quantizer: outputs that stay float, and integers moved instead of floats."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

import numpy as np
import onnx_ir as ir

from onnxdc.graph.constants import constant_tensor, drop_if_unused
from onnxdc.graph.names import Names

_ROUNDED: Final = frozenset({"Conv", "ConvTranspose", "Gemm", "MatMul"})  # by onnxruntime, weights of floats
_PAD_OPSET: Final = 13  # the first that onnxruntime pads integers of
_PRODUCTS: Final = frozenset({"Gemm", "MatMul"})  # that onnxruntime has with outputs of floats, unlike Conv


def free_outputs(model: ir.Model, chosen: Collection[str]) -> None:
    """Have products that no chosen node reads give out floats, without rounding them to 8 bits.

    Args:
        model: The model, changed in place.
        chosen: The names of the nodes that run on integers.
    """
    for node in list(model.graph):
        if node.domain != "" or node.op_type not in _PRODUCTS or node.name not in chosen:
            continue
        quantize = _only_user(node.outputs[0], "QuantizeLinear")
        dequantize = None if quantize is None else _only_user(quantize.outputs[0], "DequantizeLinear")
        if quantize is None or dequantize is None:
            continue
        after = dequantize.outputs[0]
        if any(user.name in chosen for user in after.consumers()):
            continue
        _skip(node.outputs[0], after)
        for gone in (dequantize, quantize):
            inputs = [*gone.inputs]
            model.graph.remove(gone, safe=True)
            for value in inputs[1:]:
                drop_if_unused(value)


def keep_floats(model: ir.Model, chosen: Collection[str]) -> None:
    """Have layers of floats that read what was dequantized stay so.

    onnxruntime rounds the weight of a layer between DequantizeLinear and QuantizeLinear by itself, to one step for all.
    A Sum of one keeps it from that, and nothing takes it away.

    Args:
        model: The model, changed in place.
        chosen: The names of the nodes that run on integers.
    """
    names = Names(model)
    same: dict[ir.Value, ir.Value] = {}
    for node in list(model.graph):
        x = node.inputs[0] if node.domain == "" and node.op_type in _ROUNDED and node.name not in chosen else None
        producer = None if x is None else x.producer()
        if x is None or producer is None or producer.op_type != "DequantizeLinear":
            continue
        if x not in same:
            made = ir.node("Sum", [x])
            made.outputs[0].name = names.take(f"{x.name}_float")
            model.graph.insert_before(node, made)
            same[x] = made.outputs[0]
        node.replace_input_with(0, same[x])


def share_numbers(model: ir.Model, before: Collection[str]) -> None:
    """Store equal scales and zero points once, such as the many zeros of what a Relu bounds.

    Args:
        model: The model, changed in place.
        before: The names of initializers that are none.
    """
    first: dict[tuple[ir.DataType, bytes], ir.Value] = {}
    for name, value in list(model.graph.initializers.items()):
        tensor = value.const_value
        if name in before or tensor is None or len(tensor.shape) or value.is_graph_output():
            continue
        same = first.setdefault((tensor.dtype, tensor.tobytes()), value)
        if same is not value:
            ir.convenience.replace_all_uses_with(value, same)
            drop_if_unused(value)


def pad_integers(model: ir.Model) -> None:
    """Have a Pad with zeros pad the integers before DequantizeLinear, with their zero point: the same, and quicker."""
    if model.opset_imports.get("", 0) < _PAD_OPSET:
        return
    for pad in [node for node in model.graph if node.op_type == "Pad" and node.domain == ""]:
        before = pad.inputs[0].producer() if pad.inputs[0] is not None else None
        quantize = _only_user(pad.outputs[0], "QuantizeLinear")
        if before is None or before.op_type != "DequantizeLinear" or quantize is None or not _pads_zeros(pad):
            continue
        after = [*quantize.outputs[0].consumers()]
        if len(before.inputs) < 3 or any(node.op_type != "DequantizeLinear" for node in after):
            continue
        made = ir.node("Pad", [before.inputs[0], pad.inputs[1], before.inputs[2], *pad.inputs[3:]], name=pad.name)
        made.outputs[0].name = quantize.outputs[0].name
        model.graph.insert_before(pad, made)
        constants = [*quantize.inputs[1:], *pad.inputs[2:3]]
        of_value = constants[-1].producer() if len(pad.inputs) > 2 and constants[-1] is not None else None
        for node in after:
            for index, value in enumerate((made.outputs[0], *before.inputs[1:])):
                node.replace_input_with(index, value)
        model.graph.remove([quantize, pad], safe=True)
        for maker in filter(None, (before, of_value)):
            if not maker.outputs[0].uses() and not maker.outputs[0].is_graph_output():
                constants += maker.inputs
                model.graph.remove(maker, safe=True)
        for value in constants:
            drop_if_unused(value)


def _pads_zeros(pad: ir.Node) -> bool:
    """Tell whether a Pad puts zeros around its input."""
    if pad.attributes.get_string("mode", "constant") != "constant":
        return False
    value = pad.inputs[2] if len(pad.inputs) > 2 else None
    if value is None:
        return True
    producer = value.producer()
    if producer is None or producer.op_type != "DequantizeLinear":
        tensor = constant_tensor(value)
        return tensor is not None and not tensor.numpy().any()
    # The quantizer makes an integer of the constant: zero is the zero point.
    parts = [constant_tensor(part) for part in (*producer.inputs[:1], *producer.inputs[2:]) if part is not None]
    numbers = [part.numpy().astype(np.int64).reshape(-1) for part in parts if part is not None]
    return len(numbers) == len(parts) and not (numbers[0] - (numbers[1] if len(numbers) > 1 else 0)).any()


def _only_user(value: ir.Value, op_type: str) -> ir.Node | None:
    """Return the node that is the only one to use a value, if it is of this operator."""
    users = [*value.uses()]
    if len(users) != 1 or value.is_graph_output() or users[0].node.op_type != op_type or users[0].idx != 0:
        return None
    return users[0].node


def _skip(before: ir.Value, after: ir.Value) -> None:
    """Put a value in the place of a later one, under that one's name if that is an output of the graph."""
    is_output = after.is_graph_output()
    ir.convenience.replace_all_uses_with(after, before, replace_graph_outputs=True)
    if is_output:
        before.name, after.name = after.name, before.name
        before.type, before.shape = after.type, after.shape
