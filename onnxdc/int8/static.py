"""Static layers: onnxruntime's quantizer says where QuantizeLinear and DequantizeLinear go, and with which scales."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import onnx
import onnx_ir as ir

from onnxdc.errors import ModelError
from onnxdc.graph.constants import constant_tensor
from onnxdc.int8.aliases import Aliases
from onnxdc.int8.ranges import Ranges
from onnxdc.runtime.quantizer import quiet_quantizer

_MOST: Final = 2**31  # bytes of a model in one message, which is how the quantizer takes it


def tensors_of(nodes: Sequence[ir.Node]) -> list[str]:
    """Return the names of the activations that some nodes read or make, whose ranges the quantizer asks for."""
    values = (value for node in nodes for value in (*node.inputs, *node.outputs) if value is not None)
    activations = (value for value in values if constant_tensor(value) is None and _is_float(value))
    return list(dict.fromkeys(value.name or "" for value in activations))


def place(model: ir.Model, chosen: Sequence[ir.Node], ranges: Ranges) -> ir.Model:
    """Return a model in which some nodes are between DequantizeLinear and QuantizeLinear.

    Weights and biases are what the quantizer makes of them: the nearest integers, on a scale that their range gives.

    Args:
        model: The model, which is not changed; the chosen nodes have names that no other node has.
        chosen: Its nodes that are to run on integers, at least one.
        ranges: The ranges of their tensors.

    Raises:
        ModelError: The model is too large, or refused by the quantizer.
    """
    if sum(value.const_value.nbytes for value in model.graph.initializers.values() if value.const_value) >= _MOST:
        raise ModelError("expected a model below 2 GB to quantize with static activations")
    from onnxruntime.quantization import CalibrationMethod, QuantType
    from onnxruntime.quantization.calibrate import TensorsData

    aliases = Aliases(model)
    proto = aliases.proto()
    known = {aliases.of(name): tuple(map(np.float32, bounds)) for name, bounds in ranges.items()}
    arguments: dict[str, Any] = {
        "per_channel": False,
        "reduce_range": False,
        "weight_qType": QuantType.QInt8,
        "activation_qType": QuantType.QUInt8,
        "tensors_range": TensorsData(CalibrationMethod.MinMax, known),
        "nodes_to_quantize": [node.name for node in chosen],
        "nodes_to_exclude": [],
        "op_types_to_quantize": sorted({node.op_type for node in chosen}),
        "extra_options": {"ForceQuantizeNoInputCheck": True, "QDQDisableWeightAdjustForInt32Bias": True},
    }
    with quiet_quantizer():
        made = ir.from_proto(_quantized(proto, arguments))
    aliases.undo(made)
    made.graph.sort()  # new nodes are at the end
    return made


def _quantized(proto: onnx.ModelProto, arguments: dict[str, Any]) -> onnx.ModelProto:
    from onnxruntime.quantization import QuantizationMode
    from onnxruntime.quantization.qdq_quantizer import QDQQuantizer

    if "mode" in inspect.signature(QDQQuantizer).parameters:  # before onnxruntime 1.18
        arguments = {**arguments, "mode": QuantizationMode.QLinearOps, "static": True}
    try:
        made: onnx.ModelProto = QDQQuantizer(proto, **arguments).quantize_model()
    except Exception as error:  # of whatever kind
        raise ModelError(f"onnxruntime's quantizer refuses it: {type(error).__name__}: {error}") from error
    return made


def _is_float(value: ir.Value) -> bool:
    return value.dtype in (None, ir.DataType.FLOAT)
