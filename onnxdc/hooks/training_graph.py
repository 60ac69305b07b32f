"""The network in standard operators with the rules of training built in, for tools that differentiate ONNX graphs."""

from __future__ import annotations

from typing import Final

import numpy as np
import onnx_ir as ir
from onnx_ir.passes.common import RemoveUnusedNodesPass

from onnxdc.errors import HookError
from onnxdc.graph.constants import (
    add_constant,
    constant_tensor,
    drop_if_unused,
    must_be_node,
    read_constant,
)
from onnxdc.graph.names import Names
from onnxdc.graph.walk import graphs
from onnxdc.graph.weights import NamedConstant, named_constants
from onnxdc.hooks.grid import HookedGrid
from onnxdc.hooks.hook import TrainingHook, check_codebook
from onnxdc.hooks.rounding_graph import Rounding, add_bits, check_operator_set, drop_bits, log_step_of, trained_grid
from onnxdc.hooks.weight import HookedWeight

_WEIGHT: Final = "onnxdc.weight"  # on the node that gives a weight under its rule: the weight's name


def build_rules(model: ir.Model, hook: TrainingHook) -> dict[str, str]:
    """Change a model, in place, so that whatever differentiates it trains it rightly.

    A pruned weight ``W`` becomes ``Mul(W, Cast(mask))``. A shared weight becomes
    ``Gather(Concat(0, codebook), Cast(codes))``, which has the weight's shape; the gradient of Gather is the paper's,
    the sum over a cluster's members. The constant ``codebook`` is without entry 0, which must not be trained. Weights
    on grids are rounded as ``rounding_graph.py`` says, and the model gets one more output: the bits of their integers.

    Args:
        model: The model that the hook was read from.
        hook: The hook.

    Returns:
        For each weight of the hook the name of the constant that has it when it is trained: its own, or its codebook's.
    """
    if any(weight.grid is not None for weight in hook.weights.values()):
        check_operator_set(model)
    names = Names(model)
    trained, bits = {}, []
    for constant in list(named_constants(model)):
        weight = hook.weights.get(constant.name)
        if weight is None:
            continue
        builder = _RuleBuilder(model, constant, names)
        if weight.is_free:
            trained[constant.value] = weight.name
        elif weight.grid is not None:
            latent, of_weight = builder.round(weight, weight.grid)
            trained[latent] = weight.name
            bits += [of_weight] if constant.graph is model.graph else []
        elif weight.codes is None:
            trained[builder.mask(weight)] = weight.name
        else:
            trained[builder.look_up(weight)] = weight.name
    if bits:
        add_bits(model, bits, names)
    named = {constant.value: constant.name for constant in named_constants(model)}
    return {weight: named[value] for value, weight in trained.items()}


def undo_rules(model: ir.Model, hook: TrainingHook) -> dict[str, HookedGrid]:
    """Change a model that ``build_rules`` made, in place, back to one whose weights are plain constants.

    Args:
        model: The model as it was made, or trained since.
        hook: The hook that it was made with.

    Returns:
        The grids of the weights that have one as they are in the model; their constants keep the latent values.

    Raises:
        HookError: The model is not as ``build_rules`` made it.
    """
    known = {constant.name: constant.value for constant in named_constants(model)}
    grids = dict[str, HookedGrid]()
    drop_bits(model)
    for function, graph in graphs(model):
        for node in list(graph):
            weight = hook.weights.get(node.metadata_props.get(_WEIGHT, ""))
            if weight is None:
                continue
            value = known.get(weight.name)
            if weight.grid is not None and value is not None:
                log_step = read_constant(log_step_of(node, weight))
                grids[weight.name] = trained_grid(weight, weight.grid, read_constant(value), log_step)
            if value is None:  # a codebook took its place
                values = weight.expand(_trained_codebook(node, weight))
                value = add_constant(weight.name, values, node, as_node=must_be_node(model, function))
            node.outputs[0].replace_all_uses_with(value)
    RemoveUnusedNodesPass()(model)
    return grids


def steps_of(model: ir.Model, hook: TrainingHook) -> dict[str, str]:
    """Return for each weight on a grid the name of the constant with the logarithms of its steps.

    Args:
        model: The model as ``build_rules`` made it.
        hook: The hook that it was made with.
    """
    named = {constant.value: constant.name for constant in named_constants(model)}
    rules = ((node.metadata_props.get(_WEIGHT, ""), node) for _, graph in graphs(model) for node in graph)
    on_grids = ((hook.weights[name], node) for name, node in rules if name in hook.weights)
    return {weight.name: named[log_step_of(node, weight)] for weight, node in on_grids if weight.grid is not None}


def _trained_codebook(look_up: ir.Node, weight: HookedWeight) -> np.ndarray:
    """Read the codebook ``[1 + n]`` that ``look_up``, the Gather of a shared weight, takes values from."""
    table = look_up.inputs[0].producer() if look_up.inputs and look_up.inputs[0] is not None else None
    parts = table.inputs if table is not None and table.op_type == "Concat" else ()
    if (
        weight.codebook is None
        or len(parts) != 2
        or any(part is None or constant_tensor(part) is None for part in parts)
    ):
        raise HookError(f"{weight.name}: expected its codebook in the training graph, got other nodes")
    codebook = np.concatenate([read_constant(part).reshape(-1) for part in parts if part is not None])
    check_codebook(weight, codebook)
    return codebook.astype(weight.dtype, copy=False)


class _RuleBuilder:
    """Builds the rule of one weight into a model, next to the weight."""

    def __init__(self, model: ir.Model, constant: NamedConstant, names: Names) -> None:
        self._value, self._graph, self._names = constant.value, constant.graph, names
        self._stem = constant.value.name or "weight"
        self._as_node = must_be_node(model, constant.function)
        producer = constant.value.producer()
        nodes = list(constant.graph)
        # The nodes of the rule come right after the Constant node of the weight, or before all nodes.
        self._next = nodes[0] if producer is None else nodes[nodes.index(producer) + 1]

    def mask(self, weight: HookedWeight) -> ir.Value:
        """Multiply the weight by its mask wherever it is used; return the weight."""
        users = tuple(self._value.uses())
        dtype = ir.DataType.from_numpy(weight.dtype)
        cast = self._node("Cast", [self._constant("mask", weight.mask)], "mask.cast", to=dtype)
        self._use(self._node("Mul", [self._value, cast], "masked"), users, weight)
        return self._value

    def round(self, weight: HookedWeight, grid: HookedGrid) -> tuple[ir.Value, ir.Value]:
        """Round the weight wherever it is used; return it, which is latent now, and the bits of its integers."""
        users = tuple(self._value.uses())
        rounding = Rounding(self._constant, self._node, grid, ir.DataType.from_numpy(weight.dtype))
        rounded, bits = rounding.build(self._value)
        self._use(rounded, users, weight)
        return self._value, bits

    def look_up(self, weight: HookedWeight) -> ir.Value:
        """Look the weight up in its codebook wherever it is used; return the codebook, which starts with entry 1."""
        assert weight.codebook is not None
        assert weight.codes is not None
        codebook = self._constant("codebook", weight.codebook[1:])
        codes = self._constant("codes", weight.codes)
        table = self._node("Concat", [self._constant("zero", weight.codebook[:1]), codebook], "table", axis=0)
        indices = self._node("Cast", [codes], "codes.cast", to=ir.DataType.INT32)
        self._use(self._node("Gather", [table, indices], "shared", axis=0), tuple(self._value.uses()), weight)
        drop_if_unused(self._value)
        return codebook

    def _constant(self, part: str, array: np.ndarray) -> ir.Value:
        return add_constant(self._names.take(f"{self._stem}.{part}"), array, self._next, as_node=self._as_node)

    def _node(self, op_type: str, inputs: list[ir.Value], part: str, **attributes: int) -> ir.Value:
        name = self._names.take(f"{self._stem}.{part}")
        node = ir.node(op_type, inputs, attributes, name=name)
        node.outputs[0].name = name
        self._graph.insert_before(self._next, node)
        return node.outputs[0]

    @staticmethod
    def _use(value: ir.Value, users: tuple[tuple[ir.Node, int], ...], weight: HookedWeight) -> None:
        rule = value.producer()
        assert rule is not None, f"{weight.name}: no node gives it"
        rule.metadata_props[_WEIGHT] = weight.name
        for node, index in users:
            node.replace_input_with(index, value)
