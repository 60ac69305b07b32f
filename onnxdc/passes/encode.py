"""Replace the weights that have few distinct values by their Huffman-coded form (paper, section 4), without loss.

Encoding goes in four steps: each weight is coded by itself; how each runs, and what is fused into it, is decided; the
groups and the portable bodies are weighed against the dense weights (``decision.py``); the model is changed, all of it
or not at all.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np
import onnx_ir as ir

from onnxdc.domain import group
from onnxdc.domain.operators import DOMAIN
from onnxdc.domain.origin import ADDED, NameCount, Origins
from onnxdc.domain.portable.biases import quantize_bias_function
from onnxdc.domain.weight_origin import describe
from onnxdc.errors import ModelError
from onnxdc.graph.names import Names
from onnxdc.graph.shapes import known_shapes
from onnxdc.graph.skips import Skip, SkipCode
from onnxdc.graph.slots import FIXED, Role
from onnxdc.graph.weights import Weight, WeightInfo
from onnxdc.model_io.notes import add_note
from onnxdc.numeric.arrays import INTEGER_TYPES
from onnxdc.numeric.encoding import encode_weight, plain, without_bfloat16
from onnxdc.numeric.weight import CompressedWeight
from onnxdc.passes.decision import (
    CodedWeight,
    Decision,
    GraphSymbols,
    decide,
    named_bytes,
    saved_bytes,
    shared_bytes,
)
from onnxdc.passes.execution import choose, why_no_integers
from onnxdc.passes.fusion.fuse import fuse
from onnxdc.passes.halves import bytes_saved_by_joining, store_halves
from onnxdc.passes.int32_biases import store_biases
from onnxdc.passes.plan import Outcome, Plan, PlannedWeight, work_on_each
from onnxdc.passes.result import Encoded, Figures, GroupFigures, Progress, Result
from onnxdc.recipe import Settings
from onnxdc.shown import shown

MIN_IR_VERSION: Final = 8  # the first with model-local functions
BFLOAT16_OPSET: Final = 13  # the first whose Cast takes bfloat16
NIBBLES_OPSET: Final = 21  # the first with an operator that yields integers of four bits
_NIBBLES: Final = frozenset({ir.DataType.INT4, ir.DataType.UINT4})
_ALONE: Final = "encoding would not make it smaller: no other weight has its codewords"
_NEEDING_SHAPES: Final = frozenset({"GatherBlockQuantized"})


def encode(plan: Plan, *, force: bool = False, progress: Progress | None = None) -> Result[Encoded]:
    """Encode every weight that has at most 256 distinct values, in the whole or in each group of channels.

    The consumers of a weight become sparse operators, into which the nodes after them are fused, or stay as they are
    after one DecodeWeight node; see ``execution.choose``. ``decode`` gives the same model back.

    Args:
        plan: The weights; their model is changed in place.
        force: Whether to encode even if that makes nothing smaller, for its speed.
        progress: Called after each weight.

    Raises:
        ModelError: The operator set of the model is older than 11, or a weight cannot be read.
    """
    opset = _default_opset(plan.model)
    shapes = known_shapes(plan.model)
    coded_weights: list[CodedWeight] = []
    halved: list[Skip] = []

    def keep(planned: PlannedWeight, outcome: Outcome[Coded, CompressedWeight]) -> None:
        dense = outcome.record.dense
        joined = bytes_saved_by_joining(planned.weight.value, opset)
        if not force and joined and saved_bytes(dense.nbytes, outcome.value) < joined:
            halved.append(Skip(planned.weight.name, SkipCode.NO_GAIN, "a byte or two an element take less"))
            return
        integers = planned.settings.activation in ("dynamic", "static")
        execution = choose(
            planned.weight,
            dense.density,
            shapes,
            planned.settings.execution,
            integers=integers,
            unfit=why_no_integers(planned.weight, outcome.value.codebook, planned.settings.activation)
            if integers
            else "",
        )
        coded_weights.append(CodedWeight(planned.weight, outcome.value, dense, execution, planned.settings.index_bits))

    work = partial(code_weight, widened=opset < BFLOAT16_OPSET, force=force)
    skips = work_on_each(plan, work, keep, progress, partial(_obstacle, opset)).skips
    result: Result[Encoded] = Result(plan.model, skips=[*skips, *halved])
    if not coded_weights:
        return result
    decision = decide(plan, coded_weights, shapes, opset)
    while not force and 0 < len(growing := decision.growing) < len(coded_weights):
        result.skips += [Skip(coded.weight.name, SkipCode.NO_GAIN, _ALONE) for coded in growing]
        gone = {coded.weight for coded in growing}
        coded_weights = [coded for coded in coded_weights if coded.weight not in gone]
        decision = decide(plan, coded_weights, shapes, opset)
    if not force and decision.saved_bytes <= 0:
        reason = (
            f"the model would not get smaller: coding saves {decision.saved_in_weights:,} bytes of weights, "
            f"and the functions that decode them take {decision.cost_bytes:,}"
        )
        result.skips += [Skip(coded.weight.name, SkipCode.NO_GAIN, reason) for coded in coded_weights]
        return result
    _apply(plan.model, decision)
    _tell_of_negative_zeros(plan.model, decision.coded)
    result.changes = [_record(coded, decision) for coded in decision.coded]
    return result


def _tell_of_negative_zeros(model: ir.Model, coded_weights: Sequence[CodedWeight]) -> None:
    """Note which weights have a zero of each sign: the second one may take up to an eighth of the file."""
    names = [coded.weight.name for coded in coded_weights if _has_both_zeros(coded.compressed)]
    if names:
        others = f" and {len(names) - 1} more" if len(names) > 1 else ""
        note = "-0.0 beside 0.0 is coded as another value; adding 0.0 to the weight makes the file smaller"
        add_note(model, f"{shown(names[0])}{others}: {note}")


def _has_both_zeros(weight: CompressedWeight) -> bool:
    if weight.step.size or weight.dtype in INTEGER_TYPES:
        return False
    zeros = weight.codebook[weight.codebook == 0]
    signs = np.signbit(zeros)
    return bool(signs.any()) and (not signs.all() or not weight.is_dense)


@dataclass(frozen=True)
class Coded:
    """Everything that coding the values of a weight tells of it.

    Attributes:
        dense: The figures of the dense weight.
        group: The figures of its group.
    """

    dense: Figures
    group: GroupFigures


def code_weight(
    array: np.ndarray, settings: Settings, weight: WeightInfo, *, widened: bool = False, force: bool = False
) -> Outcome[Coded, CompressedWeight] | Skip:
    """Code the values of one weight.

    Args:
        array: The values.
        settings: What is to be done to it; the ``index_bits`` and the ``codes`` are used.
        weight: What is known of it.
        widened: Whether to store a bfloat16 codebook as float32, unless the weight itself has 16 bits.
        force: Whether to code even what does not get smaller.

    Raises:
        WeightError: The values cannot be coded: there are too many distinct ones, or too many in all.
    """
    if not array.size:
        return Skip(weight.name, SkipCode.EMPTY, "has no elements")
    compressed = encode_weight(array, index_bits=settings.index_bits, group_axis=weight.channel_axis or 0)
    if widened:
        compressed = without_bfloat16(compressed)
    if settings.codes == "bytes":
        compressed = plain(compressed)
    runs_faster = force and weight.role not in FIXED  # which no operator takes as it is
    dense = Figures.of(array)
    saved = saved_bytes(dense.nbytes, compressed)
    if weight.role is Role.INTEGERS:  # which have one codebook and few tables together
        saved += shared_bytes(compressed) - named_bytes(weight.name)
    if not runs_faster and saved <= 0:
        reason = f"encoding would not make its {dense.nbytes} bytes fewer: they would take {compressed.nbytes}"
        return Skip(weight.name, SkipCode.NO_GAIN, reason)
    return Outcome(Coded(dense, GroupFigures.of(compressed)), compressed)


def _default_opset(model: ir.Model) -> int:
    opset = model.opset_imports.get("", model.opset_imports.get("ai.onnx", 0))
    if opset < group.MIN_OPSET:
        raise ModelError(f"operator set {opset}: a compressed model needs {group.MIN_OPSET} or later")
    return opset


def _obstacle(opset: int, weight: Weight) -> Skip | None:
    """Say why a weight cannot become a group of initializers, None if it can."""
    reason = ""
    producer = weight.value.producer()
    if weight.function is not None:
        reason = f"in the function {weight.function.name}, which cannot hold initializers"
    elif weight.value.meta.get("quant_parameter_tensor_names"):
        reason = "has a quantization annotation"
    elif producer is not None and "value" not in producer.attributes:
        reason = "its Constant node holds no tensor"
    elif weight.tensor.dtype in _NIBBLES and opset < NIBBLES_OPSET:
        dtype = weight.tensor.dtype.name.lower()
        reason = f"no function yields {dtype} before operator set {NIBBLES_OPSET}, and the model is of {opset}"
    return Skip(weight.name, SkipCode.NO_ROOM, reason) if reason else None


def _record(coded: CodedWeight, decision: Decision) -> Encoded:
    figures = GroupFigures.of(coded.compressed)
    return Encoded(coded.weight.info, coded.dense, figures, coded.execution, decision.fused(coded))


def _apply(model: ir.Model, decision: Decision) -> None:
    """Put the groups into the graphs, fuse, and give the model the functions that it needs."""
    names = Names(model)
    origins, counted = Origins(), NameCount()
    if model.ir_version < MIN_IR_VERSION:
        origins.ir_version, model.ir_version = model.ir_version, MIN_IR_VERSION
    yielding: dict[ir.Graph, list[ir.Node]] = {}
    for graph in list(model.graphs()):
        symbols = [each for each in decision.symbols if each.graph is graph]
        if symbols:
            yielding[graph] = _apply_to_graph(graph, symbols, names, origins, counted, decision.attributes)
    origins.fused = fuse(model.graph, decision.tails)
    for graph, nodes in yielding.items():
        graph.insert_before(graph[0], nodes)
    model.opset_imports[DOMAIN] = group.VERSION
    biases = store_biases(model, names)
    own = [] if biases is None else [quantize_bias_function(_default_opset(model))]
    for function in (*decision.functions, *own):
        local = ir.serde.deserialize_function(function)
        model.functions[local.identifier()] = local
    origins.biases = biases or {}
    origins.halves = store_halves(model, names)
    origins.store(model)


def _declared(output: ir.Value, weight: Weight) -> str:
    """Say the type and the shape of a weight that a node yields, where onnxruntime 1.20 does not infer it.

    Returns:
        What the origin is to note of that.
    """
    if output.type is not None or not _NEEDING_SHAPES & weight.op_types:
        return ""
    output.type, output.shape = ir.TensorType(weight.tensor.dtype), ir.Shape(weight.shape)
    return ADDED


def _apply_to_graph(
    graph: ir.Graph,
    symbols: Sequence[GraphSymbols],
    names: Names,
    origins: Origins,
    counted: NameCount,
    required: Collection[str],
) -> list[ir.Node]:
    """Replace the weights of one graph; their groups come where they were among the initializers.

    Returns:
        The nodes that yield the symbols of the groups, which are to come before all others.
    """
    # For each graph its own: no graph sees the initializers of one beside it or inside it.
    tensors = group.Tensors(names)
    nodes = {node: index for index, node in enumerate(graph)}
    inputs = {value: index for index, value in enumerate(graph.inputs)}
    initializers: dict[ir.Value, list[ir.Value]] = {value: [value] for value in graph.initializers.values()}
    yielding: list[ir.Node] = []
    for each in symbols:
        groups: dict[int, list[ir.Value]] = {}
        outputs: dict[int, list[ir.Value]] = {}
        for index, coded in enumerate(each.coded):
            value, producer = coded.weight.value, coded.weight.value.producer()
            said = coded.weight.name if coded.execution.sparse else ""
            taken = group.take_names(names, said)
            values = groups[index] = tensors.values(coded.compressed, taken, coded.shared)
            outputs[index] = [ir.Value(name=name) for name in taken[len(values) :]]
            symbol_inputs = group.symbol_inputs(values, outputs[index])
            known_as = group.stem_of(values) if said else counted.numbered(value.name or "")
            record = describe(value, coded.weight.tensor, known_as)
            record.input = inputs.get(value, -1)
            record.node = nodes[producer] if producer else -1
            attributes = group.group_attributes(coded.compressed, required)
            if coded.execution.sparse:
                for node in value.consumers():
                    group.make_sparse(coded.operator(node), node, [*values, *symbol_inputs], attributes)
            else:
                is_output = value.is_graph_output()  # which has no value_info if a node yields it
                output = group.decode_into(value, graph, coded.decoder, [*values, *symbol_inputs], attributes)
                if not is_output:  # the weight is still in the graph, with its value_info
                    record.info = _declared(output, coded.weight)
            origins.weights[known_as] = record
            initializers[value] = values
            if producer is not None:
                graph.remove(producer)
            elif value.is_graph_input():
                graph.inputs.remove(value)
        yielding += [planned.make(groups, outputs) for planned in each.nodes]
    graph.initializers.clear()
    for value in dict.fromkeys(value for values in initializers.values() for value in values):
        graph.initializers.add(value)
    return yielding
