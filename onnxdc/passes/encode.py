"""Replace the weights that have few distinct values by their Huffman-coded form (paper, section 4), without loss."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import onnx
import onnx_ir as ir

from onnxdc.domain import group, origin
from onnxdc.domain.operators import DOMAIN, SPARSE
from onnxdc.domain.portable import portable_functions
from onnxdc.errors import ModelError
from onnxdc.graph.names import Names
from onnxdc.graph.shapes import Shapes, known_shapes
from onnxdc.graph.skips import Skip
from onnxdc.graph.weights import Weight
from onnxdc.numeric.encoding import encode_weight, without_bfloat16
from onnxdc.numeric.weight import CompressedWeight
from onnxdc.passes.execution import Execution, choose
from onnxdc.passes.fusion.fuse import fuse
from onnxdc.passes.plan import change_each, plan_weights
from onnxdc.passes.result import Change, Figures, PassResult, Progress, group_change
from onnxdc.recipe import Recipe, Settings

MIN_IR_VERSION: Final = 8  # the first with model-local functions
BFLOAT16_OPSET: Final = 13  # the first whose Cast takes bfloat16
_GROUP_OVERHEAD: Final = 250  # bytes of protobuf that a group takes besides its data: names, types, attributes


@dataclass
class _Plan:
    """A weight that can be encoded, and how."""

    weight: Weight
    compressed: CompressedWeight
    execution: Execution
    before: Figures

    @property
    def saved(self) -> int:
        """Bytes by which the file shrinks."""
        return self.before.nbytes - self.compressed.nbytes - _GROUP_OVERHEAD

    @property
    def op_types(self) -> set[str]:
        """The operators of the domain that the weight needs."""
        if self.execution.sparse:
            return {SPARSE[use.node.op_type].name for use in self.weight.uses}
        return {group.DECODE_WEIGHT}

    @property
    def attributes(self) -> set[str]:
        """The attributes that count for the portable bodies of the weight's operators."""
        nodes = [use.node for use in self.weight.uses] if self.execution.sparse else []
        grouped = {"group_axis"} if self.compressed.codebook.shape[0] > 1 else set()
        typed = {"dtype"} if self.compressed.dtype != np.float32 else set()
        return grouped.union(typed, *(node.attributes for node in nodes))


def encode(
    model: ir.Model, recipe: Recipe | None = None, *, force: bool = False, progress: Progress | None = None
) -> PassResult:
    """Encode every weight that has at most 255 distinct values besides zero, in the whole or in each group of channels.

    The consumers of a weight become sparse operators, into which the nodes behind them are fused, or stay as they are
    behind one DecodeWeight node; see ``execution.choose``. ``decode`` gives the same model back.

    Args:
        model: changed in place.
        recipe: ``skip``, ``index_bits`` and ``execution`` of each weight, and ``fuse``.
        force: encode even where that makes nothing smaller.
        progress: called after each weight.

    Raises:
        ModelError: the model is compressed already, its operator set is older than 11, or a weight cannot be read.
        RecipeError: a rule matches no weight.
    """
    recipe = recipe or Recipe()
    weights, skips = plan_weights(model, recipe)
    opset = _default_opset(model)
    shapes = known_shapes(model)
    plans: list[_Plan] = []

    def work(weight: Weight, settings: Settings, array: np.ndarray) -> Change | Skip:
        found = _plan(weight, settings, array, opset, shapes, force)
        if isinstance(found, Skip):
            return found
        plans.append(found)
        return _change(found)

    result = change_each(model, weights, skips, work, progress)
    if not plans:
        return result
    bodies = _Bodies(plans, opset)
    functions = bodies.of(set().union(*(plan.op_types for plan in plans)))
    if not force and sum(plan.saved for plan in plans) <= sum(function.ByteSize() for function in functions):
        result.skips += [Skip(plan.weight.name, "the model would not get smaller") for plan in plans]
        result.changes.clear()
    else:
        _apply(model, plans, bodies, shapes if recipe.fuse else None)
        fused = {plan.weight.name: group.fused_text(use.node for use in plan.weight.uses) for plan in plans}
        result.changes = [
            replace(change, extra={**change.extra, "fused": fused[change.name]}) for change in result.changes
        ]
    return result


class _Bodies:
    """The portable bodies of operators, laid out for the weights that are to be encoded."""

    def __init__(self, plans: list[_Plan], opset: int) -> None:
        self._opset = opset
        self.attributes = set().union(*(plan.attributes for plan in plans))
        self._longest = max(max(plan.compressed.codes.size, plan.compressed.gaps.size) for plan in plans)

    def of(self, op_types: Collection[str]) -> list[onnx.FunctionProto]:
        """The functions that a model with these operators must carry."""
        return portable_functions(op_types, self._opset, attributes=self.attributes, stream_bytes=self._longest)


def _default_opset(model: ir.Model) -> int:
    opset = model.opset_imports.get("", model.opset_imports.get("ai.onnx", 0))
    if opset < group.MIN_OPSET:
        raise ModelError(f"operator set {opset}: a compressed model needs {group.MIN_OPSET} or later")
    return opset


def _plan(
    weight: Weight, settings: Settings, array: np.ndarray, opset: int, shapes: Shapes, force: bool
) -> _Plan | Skip:
    """Encode one weight, or say why not."""
    obstacle = _obstacle(weight) or ("" if array.size else "has no elements")
    if obstacle:
        return Skip(weight.name, obstacle)
    compressed = encode_weight(array, index_bits=settings.index_bits, group_axis=weight.channel_axis or 0)
    if opset < BFLOAT16_OPSET:
        compressed = without_bfloat16(compressed)
    before = Figures.of(array)
    plan = _Plan(weight, compressed, choose(weight, before.density, shapes, settings.execution), before)
    if plan.saved <= 0 and not force:
        return Skip(weight.name, f"encoding would not make its {array.nbytes} bytes fewer")
    return plan


def _obstacle(weight: Weight) -> str:
    """Why a weight cannot become a group of initializers, "" if it can."""
    if weight.function is not None:
        return f"in the function {weight.function.name}, which cannot hold initializers"
    if weight.value.meta.get("quant_parameter_tensor_names"):
        return "has a quantization annotation"
    producer = weight.value.producer()
    if producer is not None and "value" not in producer.attributes:
        return "its Constant node holds no tensor"
    return ""


def _change(plan: _Plan) -> Change:
    sparse = plan.execution.sparse
    detail = f"executed {'sparse' if sparse else 'dense'}: {plan.execution.reason}"
    found = group_change(plan.weight.name, "encoded", plan.compressed, plan.before, sparse=sparse, detail=detail)
    return replace(found, kind=plan.weight.kind)


def _apply(model: ir.Model, plans: list[_Plan], bodies: _Bodies, shapes: Shapes | None) -> None:
    """Put the groups into the graphs, and into the model what they need; fuse if there are shapes."""
    names = Names(model)
    origins = origin.Origins()
    if model.ir_version < MIN_IR_VERSION:
        origins.ir_version, model.ir_version = model.ir_version, MIN_IR_VERSION
    for graph in list(model.graphs()):
        here = [plan for plan in plans if plan.weight.graph is graph]
        if here:
            _apply_to_graph(graph, here, names, origins, bodies.attributes)
    if shapes is not None:
        origins.fused = fuse(model, shapes)
    model.opset_imports[DOMAIN] = group.VERSION
    for function in bodies.of({node.op_type for graph in model.graphs() for node in graph if node.domain == DOMAIN}):
        local = ir.serde.deserialize_function(function)
        model.functions[local.identifier()] = local
    origins.store(model)


def _apply_to_graph(
    graph: ir.Graph, plans: list[_Plan], names: Names, origins: origin.Origins, required: Collection[str]
) -> None:
    """Replace the weights of one graph; their groups take their places among the initializers."""
    # For each graph its own: kernels see only the initializers of the graph that their node is in.
    tensors = group.Tensors(names)
    nodes = {node: place for place, node in enumerate(graph)}
    inputs = {value: place for place, value in enumerate(graph.inputs)}
    initializers: dict[ir.Value, list[ir.Value]] = {value: [value] for value in graph.initializers.values()}
    for plan in plans:
        value, producer = plan.weight.value, plan.weight.value.producer()
        values = tensors.values(plan.compressed, group.take_names(names, plan.weight.name))
        stem = group.stem_of(values)
        record = origin.describe(value, plan.weight.tensor, stem)
        record.input = inputs.get(value, -1)
        record.node = nodes[producer] if producer else -1
        attributes = group.group_attributes(plan.compressed, required)
        if plan.execution.sparse:
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
