"""Replace the weights that have few distinct values by their Huffman-coded form (paper, section 4), without loss.

Encoding goes in four steps: each weight is coded by itself; how each runs, and what is fused into it, is decided; the
groups and the portable bodies are weighed against the dense weights; the model is changed, all of it or not at all.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np
import onnx
import onnx_ir as ir

from onnxdc.domain import group, origin
from onnxdc.domain.operators import DECODE_WEIGHT, DOMAIN, SPARSE
from onnxdc.domain.portable import portable_functions
from onnxdc.errors import ModelError
from onnxdc.graph.names import Names
from onnxdc.graph.shapes import Shapes, known_shapes
from onnxdc.graph.skips import Skip, SkipCode
from onnxdc.graph.weights import Weight, WeightInfo
from onnxdc.numeric.encoding import encode_weight, without_bfloat16
from onnxdc.numeric.weight import CompressedWeight
from onnxdc.passes.execution import Execution, choose
from onnxdc.passes.fusion.fuse import fuse, record_tails
from onnxdc.passes.fusion.tails import Tail, find_tails
from onnxdc.passes.plan import Outcome, Plan, PlannedWeight, work_on_each
from onnxdc.passes.result import Encoded, Figures, GroupFigures, Progress, Result
from onnxdc.recipe import Settings

MIN_IR_VERSION: Final = 8  # the first with model-local functions
BFLOAT16_OPSET: Final = 13  # the first whose Cast takes bfloat16
_GROUP_OVERHEAD: Final = 250  # bytes of protobuf that a group takes besides its data: names, types, attributes
_MODEL_OVERHEAD: Final = 128  # the same for a model: import of the domain, headers of functions and metadata, op types


def encode(plan: Plan, *, force: bool = False, progress: Progress | None = None) -> Result[Encoded]:
    """Encode every weight that has at most 255 distinct values besides zero, in the whole or in each group of channels.

    The consumers of a weight become sparse operators, into which the nodes after them are fused, or stay as they are
    after one DecodeWeight node; see ``execution.choose``. ``decode`` gives the same model back.

    Args:
        plan: The weights; their model is changed in place.
        force: Encode even where that makes nothing smaller, for its speed.
        progress: Called after each weight.

    Raises:
        ModelError: The operator set of the model is older than 11, or a weight cannot be read.
    """
    opset = _default_opset(plan.model)
    shapes = known_shapes(plan.model)
    coded: list[_CodedWeight] = []

    def keep(planned: PlannedWeight, outcome: Outcome[Coded, CompressedWeight]) -> None:
        dense = outcome.record.dense
        execution = choose(planned.weight, dense.density, shapes, planned.settings.execution)
        coded.append(_CodedWeight(planned.weight, outcome.value, dense, execution))

    work = partial(code_weight, widened=opset < BFLOAT16_OPSET, force=force)
    found = work_on_each(plan, work, keep, progress, _obstacle)
    result: Result[Encoded] = Result(plan.model, skips=found.skips)
    if not coded:
        return result
    decision = _decide(plan, coded, shapes, opset)
    if not force and decision.saved_bytes <= 0:
        reason = "the model would not get smaller"
        result.skips += [Skip(each.weight.name, SkipCode.NO_GAIN, reason) for each in coded]
        return result
    _apply(plan.model, decision)
    result.changes = [_record(each, decision) for each in coded]
    return result


@dataclass(frozen=True)
class Coded:
    """What coding the values of a weight tells: the figures of the dense weight and of its group."""

    dense: Figures
    group: GroupFigures


def code_weight(
    array: np.ndarray, settings: Settings, weight: WeightInfo, *, widened: bool = False, force: bool = False
) -> Outcome[Coded, CompressedWeight] | Skip:
    """Code the values of one weight.

    Args:
        array: The values.
        settings: The ``index_bits`` are used.
        weight: What is known of it.
        widened: Store a bfloat16 codebook as float32, unless the weight itself has 16 bits.
        force: Code even what does not get smaller.

    Raises:
        WeightError: The values cannot be coded: there are too many distinct ones, or too many in all.
    """
    if not array.size:
        return Skip(weight.name, SkipCode.EMPTY, "has no elements")
    compressed = encode_weight(array, index_bits=settings.index_bits, group_axis=weight.channel_axis or 0)
    if widened:
        compressed = without_bfloat16(compressed)
    if not force and _saved_bytes(array.nbytes, compressed) <= 0:
        return Skip(weight.name, SkipCode.NO_GAIN, f"encoding would not make its {array.nbytes} bytes fewer")
    return Outcome(Coded(Figures.of(array), GroupFigures.of(compressed)), compressed)


def _saved_bytes(dense_bytes: int, compressed: CompressedWeight) -> int:
    """The bytes by which the file shrinks."""
    return dense_bytes - compressed.nbytes - _GROUP_OVERHEAD


def _default_opset(model: ir.Model) -> int:
    opset = model.opset_imports.get("", model.opset_imports.get("ai.onnx", 0))
    if opset < group.MIN_OPSET:
        raise ModelError(f"operator set {opset}: a compressed model needs {group.MIN_OPSET} or later")
    return opset


def _obstacle(weight: Weight) -> Skip | None:
    """Why a weight cannot become a group of initializers, None if it can."""
    reason = ""
    producer = weight.value.producer()
    if weight.function is not None:
        reason = f"in the function {weight.function.name}, which cannot hold initializers"
    elif weight.value.meta.get("quant_parameter_tensor_names"):
        reason = "has a quantization annotation"
    elif producer is not None and "value" not in producer.attributes:
        reason = "its Constant node holds no tensor"
    return Skip(weight.name, SkipCode.NO_ROOM, reason) if reason else None


@dataclass(frozen=True)
class _CodedWeight:
    """A weight that can be encoded: in its model, its group, its figures, how it is to run."""

    weight: Weight
    compressed: CompressedWeight
    dense: Figures
    execution: Execution

    @property
    def name_bytes(self) -> int:
        """The bytes of the name where a DecodeWeight node yields it to a consumer, beside those of the codebook's."""
        return 0 if self.execution.sparse else 2 * len(self.weight.name.encode())

    @property
    def nodes(self) -> list[ir.Node]:
        """The nodes that become sparse operators."""
        return [use.node for use in self.weight.uses] if self.execution.sparse else []


@dataclass(frozen=True)
class _Decision:
    """What is to become of a model.

    Attributes:
        coded: The weights that get groups.
        tails: What is fused into which node.
        record_bytes: The bytes that the record of what is fused takes beyond the nodes that go.
        attributes: The attributes that nodes of the domain have, or that tell of their groups.
        functions: The portable bodies of all operators.
    """

    coded: Sequence[_CodedWeight]
    tails: Mapping[ir.Node, Tail]
    record_bytes: int
    attributes: Collection[str]
    functions: Sequence[onnx.FunctionProto]

    @property
    def saved_bytes(self) -> int:
        """The bytes by which the file shrinks."""
        functions: int = sum(function.ByteSize() for function in self.functions)
        saved = sum(_saved_bytes(coded.dense.nbytes, coded.compressed) - coded.name_bytes for coded in self.coded)
        return saved - functions - self.record_bytes - _MODEL_OVERHEAD

    def fused(self, coded: _CodedWeight) -> str:
        """What is fused into the operators of a weight, in words."""
        return ", ".join(sorted({self.tails[node].operator.fused for node in coded.nodes if node in self.tails}))


def _decide(plan: Plan, coded: Sequence[_CodedWeight], shapes: Shapes, opset: int) -> _Decision:
    """Decide what is fused, and write the portable bodies that the operators take."""
    products = {node: each.weight.shape for each in coded for node in each.nodes}
    tails = find_tails(plan.model.graph, products, shapes) if plan.recipe.fuse else {}
    op_types = {(tails[node].operator if node in tails else SPARSE[node.op_type]).name for node in products}
    if not all(each.execution.sparse for each in coded):
        op_types.add(DECODE_WEIGHT)
    attributes = set().union(*(_attributes(each) for each in coded))
    longest = max(max(each.compressed.codes.size, each.compressed.gaps.size) for each in coded)
    functions = portable_functions(op_types, opset, attributes=attributes, stream_bytes=longest)
    record_bytes = record_tails(plan.model.graph, tails).nbytes
    record_bytes -= sum(ir.serde.serialize_node(node).ByteSize() for tail in tails.values() for node in tail.nodes)
    return _Decision(coded, tails, record_bytes, attributes, functions)


def _attributes(coded: _CodedWeight) -> set[str]:
    """The attributes that count for the portable bodies of a weight's operators."""
    grouped = {"group_axis"} if coded.compressed.codebook.shape[0] > 1 else set()
    typed = {"dtype"} if coded.compressed.dtype != np.float32 else set()
    return grouped.union(typed, *(node.attributes for node in coded.nodes))


def _record(coded: _CodedWeight, decision: _Decision) -> Encoded:
    figures = GroupFigures.of(coded.compressed)
    return Encoded(coded.weight.info, coded.dense, figures, coded.execution, decision.fused(coded))


def _apply(model: ir.Model, decision: _Decision) -> None:
    """Put the groups into the graphs, fuse, and give the model the functions that it needs."""
    names = Names(model)
    origins = origin.Origins()
    if model.ir_version < MIN_IR_VERSION:
        origins.ir_version, model.ir_version = model.ir_version, MIN_IR_VERSION
    for graph in list(model.graphs()):
        here = [each for each in decision.coded if each.weight.graph is graph]
        if here:
            _apply_to_graph(graph, here, names, origins, decision.attributes)
    origins.fused = fuse(model.graph, decision.tails)
    model.opset_imports[DOMAIN] = group.VERSION
    for function in decision.functions:
        local = ir.serde.deserialize_function(function)
        model.functions[local.identifier()] = local
    origins.store(model)


def _apply_to_graph(
    graph: ir.Graph,
    coded: Sequence[_CodedWeight],
    names: Names,
    origins: origin.Origins,
    required: Collection[str],
) -> None:
    """Replace the weights of one graph; their groups take their places among the initializers."""
    # For each graph its own: kernels see only the initializers of the graph that their node is in.
    tensors = group.Tensors(names)
    nodes = {node: place for place, node in enumerate(graph)}
    inputs = {value: place for place, value in enumerate(graph.inputs)}
    initializers: dict[ir.Value, list[ir.Value]] = {value: [value] for value in graph.initializers.values()}
    for each in coded:
        value, producer = each.weight.value, each.weight.value.producer()
        values = tensors.values(each.compressed, group.take_names(names, each.weight.name))
        stem = group.stem_of(values)
        record = origin.describe(value, each.weight.tensor, stem)
        record.input = inputs.get(value, -1)
        record.node = nodes[producer] if producer else -1
        attributes = group.group_attributes(each.compressed, required)
        if each.execution.sparse:
            for node in value.consumers():
                group.make_sparse(node, values, attributes)
        else:
            record.info = ""  # the dense weight is still in the graph, with its value_info
            group.decode_into(value, graph, values, attributes)
        origins.weights[stem] = record
        initializers[value] = values
        if producer is not None:
            graph.remove(producer)
        elif value.is_graph_input():
            graph.inputs.remove(value)
    graph.initializers.clear()
    for value in dict.fromkeys(value for values in initializers.values() for value in values):
        graph.initializers.add(value)
