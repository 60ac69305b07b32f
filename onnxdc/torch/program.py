"""A graph as a program of operators of PyTorch: read once, run again and again.

Every value of the model has a number, its key; a run keeps the tensors by their keys. Keys are unique over all graphs,
so subgraphs see the values around them, and bodies of model-local functions keep their constants over all calls.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import onnx_ir as ir
import torch
from torch import Tensor, nn

from onnxdc.errors import ModelError
from onnxdc.graph.constants import constant_tensor, read_constant
from onnxdc.graph.walk import node_name
from onnxdc.torch.operators import SUPPORTED
from onnxdc.torch.operators.registry import OPERATORS, Body, Call
from onnxdc.torch.types import to_torch, torch_type

_STANDARD: Final = ("", "ai.onnx")
_DEFAULT_RATE: Final = 0.5  # of Dropout


@dataclass(frozen=True)
class Step:
    """One node.

    Attributes:
        op_type: the name of its operator, or of the model-local function that it calls.
        where: the node, for messages.
        attributes: as ``Call`` has them, but subgraphs as programs.
        version: of the operator set that the node is written in.
        inputs, outputs: keys; None for what is left out.
        frees: keys of the values that nothing needs behind this step.
        body: of the function, None for an operator.
    """

    op_type: str
    where: str
    attributes: Mapping[str, Any]
    version: int
    inputs: tuple[int | None, ...]
    outputs: tuple[int | None, ...]
    frees: tuple[int, ...]
    body: Program | None = None


@dataclass(frozen=True)
class Program:
    """A graph: the keys of its inputs and outputs, and its nodes in order."""

    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    steps: tuple[Step, ...]


@dataclass
class Reading:
    """A model that was read.

    Attributes:
        program: its main graph.
        constants: the constants of all graphs, by key.
        dropouts: the output of each Dropout node and its rate, by the output's key.
    """

    program: Program
    constants: dict[int, ir.Value]
    dropouts: dict[int, tuple[str, float]]


def read(model: ir.Model) -> Reading:
    """Read a model.

    Raises:
        ModelError: it has operators, or forms of operators, that have no form in PyTorch; or a constant of such a type.
    """
    reader = _Reader(model)
    program, _ = reader.graph(model.graph, model.opset_imports, {})
    if reader.missing:
        raise ModelError(f"no PyTorch form of {', '.join(reader.missing)}; covered are {', '.join(SUPPORTED)}")
    return Reading(program, reader.constants, reader.dropouts)


def run(
    program: Program,
    values: dict[int, Tensor | None],
    dropouts: Mapping[int, nn.Module],
    inputs: Sequence[Tensor | None],
    training: bool,
) -> list[Tensor]:
    """The outputs of a program.

    Args:
        program: to run.
        values: by key: the constants before, and whatever is still needed afterwards.
        dropouts: the layers of the Dropout nodes, by the keys of their outputs.
        inputs: of the program.
        training: whether the module trains.

    Raises:
        ModelError: a node cannot run on what it gets.
    """
    values.update(zip(program.inputs, inputs, strict=True))

    def body(inner: Program) -> Body:
        return lambda *given: run(inner, values, dropouts, given, training)

    for step in program.steps:
        given = [None if key is None else values[key] for key in step.inputs]
        if step.body is not None:
            missing = len(step.body.inputs) - len(given)
            results: Sequence[Tensor | None] = run(step.body, values, dropouts, [*given, *[None] * missing], training)
        else:
            attributes = {k: body(v) if isinstance(v, Program) else v for k, v in step.attributes.items()}
            dropout = dropouts.get(step.outputs[0]) if step.outputs[0] is not None else None
            results = _operate(step, Call(attributes, step.version, len(step.outputs), dropout, training), given)
        values.update((key, result) for key, result in zip(step.outputs, results, strict=False) if key is not None)
        for key in step.frees:
            values.pop(key, None)
    return [_present(values[key]) for key in program.outputs]


def _operate(step: Step, call: Call, given: Sequence[Tensor | None]) -> Sequence[Tensor | None]:
    try:
        result = OPERATORS[step.op_type].run(call, *given)
    except (RuntimeError, ValueError, IndexError, TypeError) as error:
        if isinstance(error, torch.OutOfMemoryError):
            raise
        raise ModelError(f"{step.where}: {' '.join(str(error).split())}") from error
    return result if isinstance(result, tuple) else (result,)


def _present(value: Tensor | None) -> Tensor:
    assert value is not None, "an output of a graph is never left out"
    return value


@dataclass
class _Reader:
    """Goes through a model once."""

    model: ir.Model
    keys: dict[ir.Value, int] = field(default_factory=dict)
    constants: dict[int, ir.Value] = field(default_factory=dict)
    dropouts: dict[int, tuple[str, float]] = field(default_factory=dict)
    missing: dict[str, None] = field(default_factory=dict)

    def graph(
        self, graph: ir.Graph, opsets: Mapping[str, int], scope: Mapping[str, ir.Attr]
    ) -> tuple[Program, set[int]]:
        """A graph, and the keys of what its nodes use; ``scope`` has the attributes of the function around it."""
        for value in graph.initializers.values():
            self._constant(value)
        inputs = tuple(self._key(value) for value in graph.inputs if value.name not in graph.initializers)
        read = [self._node(node, opsets, scope) for node in graph if not self._is_constant(node)]
        outputs = tuple(self._key(value) for value in graph.outputs)
        last: dict[int, int] = {}
        for place, (step, inner) in enumerate(read):
            last.update(dict.fromkeys((key for key in step.outputs if key is not None), place))
            last.update(dict.fromkeys((key for key in (*step.inputs, *inner) if key in last), place))
        frees: list[list[int]] = [[] for _ in read]
        for key, place in last.items():
            if key not in outputs:
                frees[place].append(key)
        steps = tuple(replace(step, frees=tuple(frees[place])) for place, (step, _) in enumerate(read))
        used = {key for step, inner in read for key in (*step.inputs, *inner) if key is not None}
        return Program(inputs, outputs, steps), used | set(outputs)

    def _node(self, node: ir.Node, opsets: Mapping[str, int], scope: Mapping[str, ir.Attr]) -> tuple[Step, set[int]]:
        where = f"node {node_name(node)!r} ({node.op_type})"
        version = node.version or next((opsets[name] for name in _STANDARD if name in opsets), 1)
        given = {a.name: scope.get(a.ref_attr_name or "") if a.is_ref() else a for a in node.attributes.values()}
        attributes = {name: attribute for name, attribute in given.items() if attribute is not None}
        used: set[int] = set()
        function = self.model.functions.get(node.op_identifier())
        body, plain = None, {}
        if function is not None:
            defaults = {a.name: a for a in function.attributes.values() if a.value is not None}
            body, used = self.graph(function.graph, function.opset_imports, {**defaults, **attributes})
        else:
            for name, attribute in attributes.items():
                plain[name], inner = self._attribute(attribute, where, opsets, scope)
                used |= inner
        outputs = [self._key(value) if _is_used(value) else None for value in node.outputs]
        while len(outputs) > 1 and outputs[-1] is None:
            outputs.pop()
        inputs = tuple(None if value is None else self._key(value) for value in node.inputs)
        if function is None:
            self._check(node, plain, len(outputs), where)
        return Step(node.op_type, where, plain, version, inputs, tuple(outputs), (), body), used

    def _check(self, node: ir.Node, attributes: Mapping[str, Any], outputs: int, where: str) -> None:
        """Note an operator that is not covered; refuse a form of one that is not."""
        entry = OPERATORS.get(node.op_type) if node.domain in _STANDARD else None
        if entry is None:
            self.missing[f"{node.domain}.{node.op_type}" if node.domain else node.op_type] = None
            return
        reason = entry.refuses(attributes, outputs) if entry.refuses else None
        if attributes.get("broadcast", 0) and "axis" in attributes:
            reason = "broadcasting from an axis on, as before operator set 7, is not covered"
        if reason:
            raise ModelError(f"{where}: {reason} in PyTorch")
        if node.op_type == "Dropout":
            self.dropouts[self._key(node.outputs[0])] = (node.outputs[0].name or "", _rate(node, attributes, where))

    def _attribute(
        self, attribute: ir.Attr, where: str, opsets: Mapping[str, int], scope: Mapping[str, ir.Attr]
    ) -> tuple[Any, set[int]]:
        """An attribute as ``Step`` has it, and what its graph uses of the values around it."""
        kind, value = attribute.type, attribute.value
        if kind is ir.AttributeType.GRAPH:
            return self.graph(value, opsets, scope)
        if kind is ir.AttributeType.TENSOR:
            torch_type(value.dtype, where)
            return to_torch(value.numpy()), set()
        if kind in (ir.AttributeType.INTS, ir.AttributeType.FLOATS, ir.AttributeType.STRINGS):
            return list(value), set()
        if kind in (ir.AttributeType.INT, ir.AttributeType.FLOAT, ir.AttributeType.STRING):
            return value, set()
        raise ModelError(f"{where}: attribute {attribute.name} of type {kind.name.lower()} is not covered in PyTorch")

    def _is_constant(self, node: ir.Node) -> bool:
        """Whether the node is a constant like an initializer; it is noted as such then."""
        if node.op_type != "Constant" or node.domain not in _STANDARD or constant_tensor(node.outputs[0]) is None:
            return False
        self._constant(node.outputs[0])
        return True

    def _constant(self, value: ir.Value) -> None:
        tensor = constant_tensor(value)
        if tensor is not None and _is_used(value):
            torch_type(tensor.dtype, value.name or "a constant")
            self.constants[self._key(value)] = value

    def _key(self, value: ir.Value) -> int:
        return self.keys.setdefault(value, len(self.keys))


def _is_used(value: ir.Value) -> bool:
    return bool(value.uses()) or value.is_graph_output()


def _rate(node: ir.Node, attributes: Mapping[str, Any], where: str) -> float:
    """The rate of a Dropout node."""
    ratio = node.inputs[1] if len(node.inputs) > 1 else None
    if ratio is None:
        return float(attributes.get("ratio", _DEFAULT_RATE))
    if constant_tensor(ratio) is None:
        raise ModelError(f"{where}: expected a constant ratio, got one that is computed")
    return float(read_constant(ratio))
