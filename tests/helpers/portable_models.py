"""Models of one compressed weight with the portable body, for the tests of it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
import onnx.inliner
import onnx_ir as ir
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from onnxdc.domain.group import decoder_of
from onnxdc.domain.operators import OPERATORS, SYMBOL_INPUTS, SYMBOLS
from onnxdc.domain.portable import portable_functions
from onnxdc.domain.symbols import symbols_nodes
from onnxdc.numeric.encoding import encode_weight
from onnxdc.numeric.weight import TENSORS, CompressedWeight

IR_VERSION = 8
NEWEST_OPSET = min(28, onnx.defs.onnx_opset_version())  # onnxruntime 1.32 knows 28
# Bodies are written differently from 13, 14 and 18 on; with every other operator set it is slow to try them all.
OPSETS = [
    opset if opset in (11, 13, 14, 18, NEWEST_OPSET) else pytest.param(opset, marks=pytest.mark.slow)
    for opset in range(11, NEWEST_OPSET + 1)
]


@dataclass(frozen=True)
class Node:
    """What a node has besides the weight: the inputs on both sides of it, its attributes, the rank of its output."""

    rank: int
    before: dict[str, np.ndarray] = field(default_factory=dict)
    after: dict[str, np.ndarray] = field(default_factory=dict)
    attributes: dict[str, Any] = field(default_factory=dict)
    kind: int = TensorProto.FLOAT

    @property
    def feeds(self) -> dict[str, np.ndarray]:
        return {**self.before, **self.after}


def sparse(shape: Sequence[int], density: float, values: int = 15, seed: int = 0) -> np.ndarray:
    """A float32 weight of `density`, drawn from `values` multiples of 1/16, so that sums are exact."""
    rng = np.random.default_rng(seed)
    shared = np.arange(1, values + 1, dtype=np.float32) / 8 - 1.0625
    return np.where(rng.random(shape) < density, rng.choice(shared, shape), np.float32(0)).astype(np.float32)


def model_of(
    op_type: str, tensors: dict[str, np.ndarray], node: Node, opset: int, domain: str = "", **attributes: Any
) -> onnx.ModelProto:
    """One node of `op_type` with the constants `tensors` where the weight of the standard operator is."""
    named = {**node.before, **node.after}
    inputs = [
        helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(value.dtype), value.shape)
        for name, value in named.items()
    ]
    call = helper.make_node(
        op_type, [*node.before, *tensors, *node.after], ["Y"], domain=domain, **node.attributes, **attributes
    )
    initializers = [numpy_helper.from_array(tensor, name) for name, tensor in tensors.items()]
    output = helper.make_tensor_value_info("Y", node.kind, [None] * node.rank)
    graph = helper.make_graph([call], "g", inputs, [output], initializers)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=IR_VERSION)


def compressed_model(
    op_type: str,
    weight: np.ndarray | CompressedWeight,
    node: Node,
    opset: int,
    decoders: Collection[str] = (),
) -> onnx.ModelProto:
    """The model of an operator of the domain, with its portable body."""
    group = weight if isinstance(weight, CompressedWeight) else encode_weight(weight)
    tensors = dict(zip(TENSORS, group.tensors, strict=True))
    model = model_of(op_type, tensors, node, opset, "onnxdc", checksum=group.checksum, packet=group.packet)
    model.opset_import.add(domain="onnxdc", version=1)
    add_bodies(model, group, decoders)
    return model


def add_bodies(model: onnx.ModelProto, group: CompressedWeight, decoders: Collection[str] = ()) -> None:
    """Add what the only node of a model, which has a group without symbol inputs, needs to run without the library."""
    (call,) = model.graph.node
    first = OPERATORS[call.op_type].first if call.op_type in OPERATORS else 0
    end = first + len(TENSORS)
    names = dict(zip(TENSORS, call.input[first:end], strict=True))
    values = [ir.Value(name=name) for name in names.values()]
    outputs = [ir.Value(name=name) for name in SYMBOL_INPUTS]
    nodes = symbols_nodes([group], OPERATORS[call.op_type].symbols if call.op_type in OPERATORS else SYMBOLS)
    made = [ir.serde.serialize_node(node.make({0: values}, {0: outputs})) for node in nodes]
    yielded = {name for each in made for name in each.output}
    streams = (names["codes"], names["gaps"])
    symbols = [name if name in yielded else stream for name, stream in zip(SYMBOL_INPUTS, streams, strict=True)]
    inputs = [*call.input[:end], *symbols, *call.input[end:]]
    del call.input[:]
    call.input.extend(inputs)
    for each in reversed(made):
        model.graph.node.insert(0, each)
    functions = portable_functions(
        [call.op_type],
        next(entry.version for entry in model.opset_import if not entry.domain),
        [node.layout for node in nodes],
        decoders=decoders or {decoder_of(group)},
        attributes=[attribute.name for attribute in call.attribute],
        nibbles=group.dtype.itemsize == 1,
    )
    model.functions.extend(functions)


def run(model: onnx.ModelProto, feeds: dict[str, np.ndarray] | None = None) -> np.ndarray:
    """The output in onnxruntime without the native library."""
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    (output,) = session.run(None, feeds or {})
    return output


def run_in_reference(model: onnx.ModelProto, feeds: dict[str, np.ndarray] | None = None) -> np.ndarray:
    """The output in onnx.reference, which by itself gives attributes of functions no defaults."""
    (output,) = ReferenceEvaluator(onnx.inliner.inline_local_functions(model)).run(None, feeds or {})
    return output
