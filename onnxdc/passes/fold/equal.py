"""Store equal weights once, wherever they are: of layers that share theirs, of both branches of an If, of a tied table.

Which weights may be one follows from the plan: the recipe must say the same of both, so that no rule loses its weight.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

import numpy as np
import onnx_ir as ir

from onnxdc.graph.constants import constant_tensor, drop_if_unused, read_constant
from onnxdc.graph.names import Names
from onnxdc.graph.slots import ROLES, Role
from onnxdc.graph.walk import graphs
from onnxdc.graph.weights import NamedConstant, find_weights, named_constants
from onnxdc.passes.plan import Plan, PlannedWeight
from onnxdc.passes.result import Folded
from onnxdc.recipe import Settings

_WORTH: Final = 1024  # bytes of a constant, a choice: far more than the nodes and names that it costs to have it once
_WORTH_TRANSPOSED: Final = 2**18  # the same for one whose transpose is kept, which nothing runs sparse any more

_BEGINNING: Final = 64  # elements that nearly all different weights differ in already

_Key: TypeAlias = tuple[object, ...]


@dataclass(frozen=True)
class _Stored:
    """A constant that may be one with others.

    Attributes:
        constant: The constant.
        settings: What the plan has for it, None for one that it has nothing for.
        role: Its role likewise.
        kind: Its kind likewise, empty without one.
    """

    constant: NamedConstant
    settings: Settings | None
    role: Role | None
    kind: str

    @property
    def value(self) -> ir.Value:
        """The value that holds it."""
        return self.constant.value

    @property
    def tensor(self) -> ir.TensorProtocol:
        """Its tensor."""
        tensor = constant_tensor(self.value)
        assert tensor is not None, f"{self.constant.name} is no constant"
        return tensor

    @property
    def shape(self) -> tuple[int, ...]:
        """Its shape."""
        return tuple(self.tensor.shape.numpy())

    @property
    def key(self) -> _Key:
        """What must be the same of those that are one with it, besides the values."""
        return (self.tensor.dtype, self.shape, self.settings, self.role)

    def array(self) -> np.ndarray:
        """Return its values."""
        return read_constant(self.value, self.constant.name)


def merge_equal(plan: Plan) -> tuple[Plan, list[Folded]]:
    """Let the nodes that read equal constants read one of them, the first, and drop the others.

    Of a table and its transpose the table is left, with a Transpose that yields the other. Functions stay as they are.

    Returns:
        The plan for what is left, and a record of each constant that is gone.

    Raises:
        ModelError: The data of a constant cannot be read.
    """
    known = {planned.weight.value: planned for planned in plan.weights}
    homes = _Homes(plan.model)
    changes: list[Folded] = []
    for equal in _equal(_stored(plan)):
        kept = _kept(equal, homes)
        if kept is not None:
            _become_one(known, kept, equal)
            changes += [_replace(each, kept, "copy") for each in equal if each.value is not kept]
    plan = _found_again(plan, known) if changes else plan
    tied = []
    for table, matrix in _transposes(_stored(plan)):
        _become_one(known, table.value, [table, matrix])
        tied.append(_transpose(table, matrix, homes.names))
    return (_found_again(plan, known) if tied else plan), changes + tied


def _become_one(known: dict[ir.Value, PlannedWeight], kept: ir.Value, equal: Sequence[_Stored]) -> None:
    """Note of the constant that is kept what the plan has for the first of those that are equal, and all names."""
    planned = [known[each.value] for each in equal if each.value in known]
    if planned:
        known[kept] = replace(planned[0], names=tuple(name for each in planned for name in each.names))


def _found_again(plan: Plan, known: Mapping[ir.Value, PlannedWeight]) -> Plan:
    """Return the plan for a model some of whose constants are gone, with what was planned for the others."""
    weights, skips = find_weights(plan.model, plan.recipe.min_elements, ROLES)
    others = (PlannedWeight(weight, Settings(), (weight.name,)) for weight in weights)
    planned = (replace(known.get(other.weight.value, other), weight=other.weight) for other in others)
    return replace(plan, weights=tuple(planned), skips=tuple(skips))


def _stored(plan: Plan) -> list[_Stored]:
    """Return the constants that may be one with others, in the order of the model."""
    planned = {each.weight.value: each for each in plan.weights}
    found = []
    for constant in named_constants(plan.model):
        if _may_go(constant, plan.model):
            own = planned.get(constant.value)
            weight = None if own is None else own.weight
            settings, role = (None, None) if own is None else (own.settings, own.weight.role)
            found.append(_Stored(constant, settings, role, "" if weight is None else weight.kind))
    return found


def _may_go(constant: NamedConstant, model: ir.Model) -> bool:
    value, tensor = constant.value, constant_tensor(constant.value)
    if tensor is None or tensor.dtype is ir.DataType.STRING or tensor.nbytes < _WORTH or constant.function is not None:
        return False
    is_input = value.is_graph_input() and model.ir_version >= 4
    is_annotated = bool(value.meta.get("quant_parameter_tensor_names"))
    return bool(value.uses()) and not (value.is_graph_output() or is_input or is_annotated)


def _equal(stored: Iterable[_Stored]) -> Iterator[list[_Stored]]:
    """Yield two or more that are equal, bit for bit; only of those that may be is the data read."""
    for alike in _parted((each.key, each) for each in stored):
        for begun_alike in _parted((_digest(each.array().reshape(-1)[:_BEGINNING]), each) for each in alike):
            yield from _parted((_digest(each.array()), each) for each in begun_alike)


def _parted(keyed: Iterable[tuple[object, _Stored]]) -> list[list[_Stored]]:
    """Return those that have a key in common with others, together."""
    parts: dict[object, list[_Stored]] = {}
    for key, each in keyed:
        parts.setdefault(key, []).append(each)
    return [part for part in parts.values() if len(part) > 1]


def _digest(array: np.ndarray) -> bytes:
    return hashlib.sha256(np.ascontiguousarray(array).view(np.uint8).data).digest()


def _transposes(stored: Sequence[_Stored]) -> Iterator[tuple[_Stored, _Stored]]:
    """Yield each table of embeddings with a matrix that is its transpose."""
    large = [each for each in stored if len(each.shape) == 2 and each.tensor.nbytes >= _WORTH_TRANSPOSED]
    matrices = [each for each in large if each.kind not in ("embedding", "")]
    for table in (each for each in large if each.kind == "embedding" and each.value.is_initializer()):
        alike = [matrix for matrix in matrices if matrix.key == (table.key[0], table.shape[::-1], *table.key[2:])]
        alike = [matrix for matrix in alike if matrix.constant.graph is table.constant.graph]
        wanted = _digest(table.array().T) if alike else b""
        yield from ((table, matrix) for matrix in alike if _digest(matrix.array()) == wanted)


class _Homes:
    """Where a constant must be for several graphs to see it.

    Attributes:
        names: The names of the model's values.
        is_old: Whether each initializer of the main graph is an input of it, so that no new one can be made.
    """

    def __init__(self, model: ir.Model) -> None:
        self.names = Names(model)
        self.is_old = model.ir_version < 4
        self._around: dict[ir.Graph, ir.Graph] = {}
        for _, graph in graphs(model):
            for node in graph:
                for attribute in node.attributes.values():
                    self._around |= dict.fromkeys(_graphs_of(attribute), graph)

    def common(self, own: Sequence[ir.Graph]) -> ir.Graph:
        """Return the innermost graph whose values all of these graphs see."""
        ways = [self._way(graph) for graph in own]
        return next(graph for graph in ways[0] if all(graph in way for way in ways))

    def _way(self, graph: ir.Graph) -> list[ir.Graph]:
        """Return a graph and those around it, from the inside out."""
        way = [graph]
        while way[-1] in self._around:
            way.append(self._around[way[-1]])
        return way


def _graphs_of(attribute: ir.Attr) -> list[ir.Graph]:
    if attribute.is_ref():
        return []
    if attribute.type is ir.AttributeType.GRAPH:
        return [attribute.as_graph()]
    return list(attribute.as_graphs()) if attribute.type is ir.AttributeType.GRAPHS else []


def _kept(equal: Sequence[_Stored], homes: _Homes) -> ir.Value | None:
    """Return a constant that all nodes see that read any of these; None if there cannot be one."""
    home = homes.common([each.constant.graph for each in equal])
    if all(each.constant.graph is home for each in equal):
        return equal[0].value
    known = (each.value for each in equal if each.constant.graph is home and each.value.is_initializer())
    return next(known, None) or (None if homes.is_old else _copy(equal[0], home, homes.names))


def _copy(stored: _Stored, home: ir.Graph, names: Names) -> ir.Value:
    """Return an initializer of another graph with the data of a constant."""
    tensor = stored.tensor
    value = ir.Value(name=names.take(stored.value.name or "weight"), type=ir.TensorType(tensor.dtype))
    value.shape = ir.Shape(stored.shape)
    value.const_value = ir.LazyTensor(lambda: tensor, dtype=tensor.dtype, shape=value.shape, name=value.name)
    home.initializers.add(value)
    return value


def _replace(stored: _Stored, other: ir.Value, what: str) -> Folded:
    """Let the nodes that read a constant read another value, and drop it."""
    stored.value.replace_all_uses_with(other)
    drop_if_unused(stored.value)
    return Folded(stored.constant.name, what, "original", other.name or "")


def _transpose(table: _Stored, matrix: _Stored, names: Names) -> Folded:
    """Let the nodes that read a matrix read the transpose of a table."""
    graph, name = table.constant.graph, matrix.value.name or "matrix"
    node = ir.node("Transpose", [table.value], {"perm": [1, 0]}, name=names.take(f"{name}.transpose"))
    output = node.outputs[0]
    output.name, output.type, output.shape = names.take(name), matrix.value.type, ir.Shape(matrix.shape)
    graph.insert_before(graph[0], node)
    return replace(_replace(matrix, output, "transposed copy"), into_name=table.constant.name)
