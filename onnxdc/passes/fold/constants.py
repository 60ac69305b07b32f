"""Compute what follows from constants alone, so that the weights that lie hidden in it are found.

Weight norm, LoRA and the reordered gates of a recurrent layer are such expressions, and so is a float weight that is
quantized when the model loads. Each is replaced by its result where that takes no more bytes than the constants that
go: an expression that unpacks integers, or repeats a row a thousand times, stays.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import onnx_ir as ir

from onnxdc.graph.constants import add_constant, constant_tensor, drop_if_unused, must_be_node, read_constant
from onnxdc.graph.names import Names
from onnxdc.graph.skips import Skip, SkipCode
from onnxdc.graph.slots import WEIGHT_TYPES
from onnxdc.graph.walk import graphs, node_name
from onnxdc.model_io.upgrade.running import CannotRunError
from onnxdc.numeric.integers import is_nibble
from onnxdc.passes.fold.evaluation import evaluate
from onnxdc.passes.result import Folded

_LARGE: Final = 256  # elements of a constant that may be a weight, as the default of min_elements
_BETWEEN: Final = 4  # times the bytes of all constants, that a result on the way may take: such as float64 of float16
_NEVER: Final = frozenset(
    {"Constant", "Identity", "Dropout", "DequantizeLinear", "If", "Loop", "Scan", "SequenceMap"}
    | {"RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Bernoulli", "Multinomial"}
)
"""Operators that are not computed: random ones, those with graphs, those that ``identity.py`` removes, and what makes
floats of integers, for such a weight is quantized on purpose."""


def fold_constants(model: ir.Model, names: Names) -> tuple[list[Folded], list[Skip]]:
    """Replace expressions of constants by their results, in all graphs of the model; functions stay as they are.

    A result has the name of the largest constant in it, if that goes.

    Returns:
        What was folded, and each expression with a large constant of floats that was not.

    Raises:
        ModelError: The data of a constant cannot be read.
    """
    changes: list[Folded] = []
    skips: list[Skip] = []
    for function, graph in graphs(model):
        if function is not None:
            continue
        for nodes in _expressions(_computable(graph, model)):
            if _hides_weight(nodes):
                expression = _Expression(nodes, model, names)
                changes += expression.fold()
                skips += expression.skips
    return changes, skips


def _computable(graph: ir.Graph, model: ir.Model) -> list[ir.Node]:
    """Return the nodes of a graph, in its order, that compute something of nothing but constants."""
    known: set[ir.Value] = set()
    nodes: list[ir.Node] = []
    for node in graph:
        inputs = [value for value in node.inputs if value is not None]
        if _may_be_computed(node) and inputs and all(value in known or _is_fixed(value, model) for value in inputs):
            nodes.append(node)
            known.update(node.outputs)
    return nodes


def _may_be_computed(node: ir.Node) -> bool:
    if node.domain != "" and (node.domain, node.op_type) != ("com.microsoft", "QuantizeLinear"):
        return False
    has_graphs = any(
        attribute.type in (ir.AttributeType.GRAPH, ir.AttributeType.GRAPHS) for attribute in node.attributes.values()
    )
    return node.op_type not in _NEVER and not has_graphs and not any(out.is_graph_output() for out in node.outputs)


def _is_fixed(value: ir.Value, model: ir.Model) -> bool:
    """Tell whether a value is a constant of numbers, for which no caller can give another one."""
    tensor = constant_tensor(value)
    if tensor is None or (value.is_graph_input() and model.ir_version >= 4):
        return False
    dtype = tensor.dtype.numpy()
    return dtype.kind in "biuf" or is_nibble(dtype)


def _expressions(nodes: Sequence[ir.Node]) -> Iterator[list[ir.Node]]:
    """Part nodes into those that have to do with each other: by what they compute, or by a large constant."""
    parents = {node: node for node in nodes}

    def root(node: ir.Node) -> ir.Node:
        while parents[node] is not node:
            parents[node] = parents[parents[node]]
            node = parents[node]
        return node

    first: dict[ir.Value, ir.Node] = {}
    for node in nodes:
        for value in node.inputs:
            producer = None if value is None else value.producer()
            if producer in parents and producer is not None:
                parents[root(node)] = root(producer)
            elif value is not None and _size(value) >= _LARGE:
                parents[root(node)] = root(first.setdefault(value, node))
    parts: dict[ir.Node, list[ir.Node]] = {}
    for node in nodes:
        parts.setdefault(root(node), []).append(node)
    yield from parts.values()


def _size(value: ir.Value) -> int:
    tensor = constant_tensor(value)
    return 0 if tensor is None else tensor.size


def _hides_weight(nodes: Sequence[ir.Node]) -> bool:
    """Tell whether the nodes read a large constant of floats that nobody else reads."""
    tensors = (constant_tensor(value) for value in _only_read_by(nodes))
    return any(tensor is not None and tensor.dtype in WEIGHT_TYPES and tensor.size >= _LARGE for tensor in tensors)


@dataclass
class _Expression:
    """Nodes that compute something of constants alone.

    Attributes:
        nodes: The nodes, in the order of their graph; fewer and fewer while ``fold`` looks for some that pay.
        model: Their model.
        names: The names of all values of the model.
        skips: Why nodes were not folded.
    """

    nodes: list[ir.Node]
    model: ir.Model
    names: Names
    skips: list[Skip] = field(default_factory=list)
    _values: dict[ir.Value, np.ndarray] = field(default_factory=dict)

    def fold(self) -> list[Folded]:
        """Replace all nodes by their results if that pays, else what leads to one of the last, else all but those."""
        folded: list[Folded] = []
        self._evaluate()
        while self.nodes:
            own = set(self.nodes)
            last = [node for node in self.nodes if not _users_among(node, own)]
            parts = [self.nodes] if len(last) == 1 else [self.nodes, *(self._part(node) for node in last)]
            for part in parts:
                folded += self._replace([node for node in part if node.graph is not None])
            left = [node for node in last if node.graph is not None]
            self.skips += [Skip(node_name(node), SkipCode.NOT_FOLDED, _grows(node)) for node in left]
            self.nodes = [node for node in self.nodes if node.graph is not None and node not in left]
        return folded

    def _evaluate(self) -> None:
        """Compute what the nodes yield, and forget those for which that fails, with what follows from them."""
        constants = {value for node in self.nodes for value in node.inputs if value is not None and _size(value)}
        most = _BETWEEN * sum(_bytes_of(value) for value in constants)
        done: list[ir.Node] = []
        for node in self.nodes:
            inputs = [value for value in node.inputs if value is not None]
            if any(constant_tensor(value) is None and value not in self._values for value in inputs):
                continue
            arrays = {value.name or "": self._array(value) for value in inputs}
            try:
                results = evaluate(node, arrays, self.model.opset_imports, most)
            except CannotRunError as error:
                self.skips.append(Skip(node_name(node), SkipCode.NOT_FOLDED, f"{node.op_type}: {error}"))
                continue
            self._values |= dict(zip((output for output in node.outputs if output.name), results, strict=True))
            done.append(node)
        self.nodes = done

    def _array(self, value: ir.Value) -> np.ndarray:
        return self._values[value] if value in self._values else read_constant(value)

    def _part(self, last: ir.Node) -> list[ir.Node]:
        """Return a node with those that lead to it."""
        found = {last}
        for node in reversed(self.nodes):
            if _users_among(node, found):
                found.add(node)
        return [node for node in self.nodes if node in found]

    def _replace(self, nodes: Sequence[ir.Node]) -> list[Folded]:
        """Replace nodes by constants of what others read of them, unless these would be larger than those that go."""
        own = set(nodes)
        results = [output for node in nodes for output in node.outputs if not own.issuperset(output.consumers())]
        going = _only_read_by(nodes)
        if not results or sum(self._values[value].nbytes for value in results) > sum(map(_bytes_of, going)):
            return []
        makers = [value.producer() for value in results]
        constants = [self._put(value) for value in results]
        for node in reversed(nodes):
            assert node.graph is not None, f"{node.name} is in no graph"
            node.graph.remove(node, safe=True)
        for value in going:
            drop_if_unused(value)
        for value, constant in zip(results, constants, strict=True):
            constant.name = value.name
        if len(constants) == 1 and constants[0].is_initializer():
            constants[0].name = max(going, key=_size).name
        return [_change(node, constant) for node, constant in zip(makers, constants, strict=True) if node is not None]

    def _put(self, value: ir.Value) -> ir.Value:
        """Put a constant in the place of a value that a node yields."""
        node = value.producer()
        assert node is not None, f"{value.name} is yielded by no node"
        name = self.names.take(value.name or "constant")
        array = np.ascontiguousarray(self._values[value])
        constant = add_constant(name, array, before=node, as_node=must_be_node(self.model, None))
        value.replace_all_uses_with(constant)
        return constant


def _change(node: ir.Node, constant: ir.Value) -> Folded:
    return Folded(node_name(node), node.op_type, "constant", constant.name or "")


def _users_among(node: ir.Node, nodes: Collection[ir.Node]) -> bool:
    return any(user in nodes for output in node.outputs for user in output.consumers())


def _only_read_by(nodes: Sequence[ir.Node]) -> list[ir.Value]:
    """Return the constants that nothing but these nodes reads."""
    own = set(nodes)
    inputs = dict.fromkeys(value for node in nodes for value in node.inputs if value is not None)
    return [
        value
        for value in inputs
        if constant_tensor(value) is not None and not value.is_graph_output() and own.issuperset(value.consumers())
    ]


def _bytes_of(value: ir.Value) -> int:
    tensor = constant_tensor(value)
    return 0 if tensor is None else tensor.nbytes


def _grows(node: ir.Node) -> str:
    return f"{node.op_type}: its result takes more bytes than the constants that it would replace"
