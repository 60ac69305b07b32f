"""Read a graph once, and make a program of it; ``program.py`` runs it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

import onnx_ir as ir

from onnxdc.errors import ModelError
from onnxdc.graph.constants import constant_tensor, read_constant
from onnxdc.graph.walk import node_name
from onnxdc.torch.operators import SUPPORTED
from onnxdc.torch.operators.registry import IMPLEMENTATIONS
from onnxdc.torch.program import Program, Step
from onnxdc.torch.types import to_torch, torch_type

_STANDARD: Final = ("", "ai.onnx")
_DEFAULT_RATE: Final = 0.5  # of Dropout


@dataclass
class Reading:
    """A model that was read.

    Attributes:
        program: The program of its main graph.
        constants: The constants of all graphs, by key.
        dropouts: The name of the output of each Dropout node and its rate, by the output's key.
    """

    program: Program
    constants: dict[int, ir.Value]
    dropouts: dict[int, tuple[str, float]]


def read(model: ir.Model) -> Reading:
    """Read a model.

    Raises:
        ModelError: It has operators, or forms of operators, that have no form in PyTorch; or a constant of such a type.
    """
    reader = _Reader(model)
    program, _ = reader.graph(model.graph, model.opset_imports, {})
    if reader.missing:
        raise ModelError(f"no PyTorch form of {', '.join(reader.missing)}; covered are {', '.join(SUPPORTED)}")
    return Reading(program, reader.constants, reader.dropouts)


@dataclass
class _Reader:
    """Goes through a model once.

    Attributes:
        model: The model.
        keys: The key of each value so far.
        constants: The constants so far, by key.
        dropouts: The Dropout nodes so far, as ``Reading`` has them.
        missing: The operators without a form in PyTorch so far, in their order.
    """

    model: ir.Model
    keys: dict[ir.Value, int] = field(default_factory=dict)
    constants: dict[int, ir.Value] = field(default_factory=dict)
    dropouts: dict[int, tuple[str, float]] = field(default_factory=dict)
    missing: dict[str, None] = field(default_factory=dict)

    def graph(
        self, graph: ir.Graph, opsets: Mapping[str, int], scope: Mapping[str, ir.Attr]
    ) -> tuple[Program, set[int]]:
        """Return a graph as a program, and the keys of what its nodes use.

        Args:
            graph: The graph.
            opsets: The versions of the operator sets, by domain.
            scope: The attributes of the function around it.
        """
        for value in graph.initializers.values():
            self._constant(value)
        inputs = tuple(self._key(value) for value in graph.inputs if value.name not in graph.initializers)
        read = [self._node(node, opsets, scope) for node in graph if not self._is_constant(node)]
        outputs = tuple(self._key(value) for value in graph.outputs)
        last: dict[int, int] = {}  # key of a value that a node of this graph makes -> the last node that uses it
        for number, (step, inner) in enumerate(read):
            last.update(dict.fromkeys((key for key in step.outputs if key is not None), number))
            last.update(dict.fromkeys((key for key in (*step.inputs, *inner) if key in last), number))
        frees: list[list[int]] = [[] for _ in read]
        for key, number in last.items():
            if key not in outputs:
                frees[number].append(key)
        steps = tuple(replace(step, frees=tuple(frees[number])) for number, (step, _) in enumerate(read))
        used = {key for step, inner in read for key in (*step.inputs, *inner) if key is not None}
        return Program(inputs, outputs, steps), used | set(outputs)

    def _node(self, node: ir.Node, opsets: Mapping[str, int], scope: Mapping[str, ir.Attr]) -> tuple[Step, set[int]]:
        """Return a node as a step that frees nothing yet, and the keys of what its subgraphs or its body use."""
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
        entry = IMPLEMENTATIONS.get(node.op_type) if node.domain in _STANDARD else None
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
        """Return an attribute as ``Step`` has it, and what its graph uses of the values around it."""
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
        """Tell whether the node is a constant like an initializer; it is noted as such then."""
        if node.op_type != "Constant" or node.domain not in _STANDARD or constant_tensor(node.outputs[0]) is None:
            return False
        self._constant(node.outputs[0])
        return True

    def _constant(self, value: ir.Value) -> None:
        """Note a constant that is used."""
        tensor = constant_tensor(value)
        if tensor is not None and _is_used(value):
            torch_type(tensor.dtype, value.name or "a constant")
            self.constants[self._key(value)] = value

    def _key(self, value: ir.Value) -> int:
        return self.keys.setdefault(value, len(self.keys))


def _is_used(value: ir.Value) -> bool:
    return bool(value.uses()) or value.is_graph_output()


def _rate(node: ir.Node, attributes: Mapping[str, Any], where: str) -> float:
    """Return the rate of a Dropout node."""
    ratio = node.inputs[1] if len(node.inputs) > 1 else None
    if ratio is None:
        return float(attributes.get("ratio", _DEFAULT_RATE))
    if constant_tensor(ratio) is None:
        raise ModelError(f"{where}: expected a constant ratio, got one that is computed")
    return float(read_constant(ratio))
