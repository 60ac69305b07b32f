"""Diff: what two models have in common, and what not."""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import onnx_ir as ir

from onnxdc import model_io
from onnxdc.domain import provenance
from onnxdc.domain.limits import Limit
from onnxdc.graph.constants import constant_tensor, read_constant
from onnxdc.graph.walk import graphs, operator_name
from onnxdc.graph.weights import NamedConstant, named_constants
from onnxdc.model_io import Source
from onnxdc.model_io.budget import budget_of
from onnxdc.numeric.arrays import FLOAT_TYPES, bit_patterns
from onnxdc.numeric.energy import energy_lost
from onnxdc.recipe import Recipe
from onnxdc.report.difference import Difference, DifferingWeight, Pair
from onnxdc.report.rows import inspect_weights
from onnxdc.runtime import best_decoder, naming


def diff(a: Source, b: Source, *, limit: Limit | None = None) -> Difference:
    """Compare two models by what they hold: constants, nodes, inputs and outputs, metadata.

    Compressed ones are decoded first, so a model and what ``encode`` made of it are the same; nothing is run. Names of
    nodes and texts do not count. For what outputs say there is ``verify``.

    Args:
        a: The model to hold against: a path, or a model in memory.
        b: The model in question, likewise.
        limit: The bytes that the decoded weights may take, as for ``decode``.

    Raises:
        ModelError: A model cannot be read, or its weights take more than the limit.
        FormatError: A compressed weight breaks a rule of the format.
        OptionError: The limit is no size.
    """
    one, other = (_opened(source, limit) for source in (a, b))
    names = list(dict.fromkeys([*one.constants, *other.constants]))
    weights = [found for name in names if (found := _differing(name, one, other)) is not None]
    counts = [Counter(operator_name(node) for node in _nodes(each.model)) for each in (one, other)]
    operators = sorted({*counts[0], *counts[1]})
    likes = Counter(map(_signature, _nodes(other.model))) - Counter(map(_signature, _nodes(one.model)))
    return Difference(
        one.nbytes,
        other.nbytes,
        len(names) - len(weights),
        tuple(weights),
        {name: (counts[0][name], counts[1][name]) for name in operators if counts[0][name] != counts[1][name]},
        likes.total(),
        _pairs(_facts(one.model), _facts(other.model)),
        _pairs(one.model.metadata_props, other.model.metadata_props),
        (one.made, other.made),
    )


@dataclass(frozen=True)
class _Opened:
    """A model that was decoded.

    Attributes:
        model: The model.
        nbytes: The bytes of its file.
        made: How it was made, in words; empty if it does not say.
        constants: Its constants by name.
        stored: What each takes in the file.
    """

    model: ir.Model
    nbytes: int
    made: str
    constants: Mapping[str, NamedConstant]
    stored: Mapping[str, int]


def _opened(source: Source, limit: Limit | None) -> _Opened:
    model = model_io.load(source, upgrade=False)
    nbytes = model_io.file_bytes(model) if isinstance(source, str | os.PathLike) else None
    if nbytes is None:
        nbytes = int(model_io.to_proto(model).ByteSize())
    made = provenance.take(model)
    with naming(source):
        rows, _ = inspect_weights(model, Recipe(), best_decoder(), budget=budget_of(model, limit))
    constants = {each.name: each for each in named_constants(model) if constant_tensor(each.value) is not None}
    stored = {row.name: row.stored_bytes for row in rows}
    return _Opened(model, nbytes, "" if made is None else str(made), constants, stored)


def _differing(name: str, a: _Opened, b: _Opened) -> DifferingWeight | None:
    """Return how a constant differs; None if it is the same."""
    first, a_bytes = _read(name, a)
    second, b_bytes = _read(name, b)
    found = DifferingWeight(name, _kind(first), _kind(second), a_bytes, b_bytes)
    if first is None or second is None or first.shape != second.shape:
        return found
    elements = _unequal(first, second) if first.dtype == second.dtype else None
    return None if elements == 0 else replace(found, elements=elements, change=_change(first, second))


def _read(name: str, opened: _Opened) -> tuple[np.ndarray | None, int | None]:
    """Return the values of a constant, and the bytes that it takes in the file; None if there is none."""
    constant = opened.constants.get(name)
    if constant is None:
        return None, None
    array = read_constant(constant.value, name)
    return array, opened.stored.get(name, array.nbytes)


def _change(a: np.ndarray, b: np.ndarray) -> float | None:
    """Return the root mean square of the difference over that of A; None unless both are finite floats."""
    if a.dtype not in FLOAT_TYPES or b.dtype not in FLOAT_TYPES or not (np.isfinite(a).all() and np.isfinite(b).all()):
        return None
    return math.sqrt(energy_lost(np.ascontiguousarray(a), np.ascontiguousarray(b)))


def _unequal(a: np.ndarray, b: np.ndarray) -> int:
    """Count the elements whose bits differ; of texts those that are not equal."""
    if a.dtype == object or a.dtype.itemsize not in (1, 2, 4, 8):
        return int(np.count_nonzero(a != b))
    return int(np.count_nonzero(bit_patterns(np.ascontiguousarray(a)) != bit_patterns(np.ascontiguousarray(b))))


def _kind(array: np.ndarray | None) -> str:
    return "" if array is None else f"{array.dtype} {'x'.join(map(str, array.shape)) or 'scalar'}"


def _nodes(model: ir.Model) -> Iterator[ir.Node]:
    """Yield all nodes but those that hold a constant."""
    return (node for _, graph in graphs(model) for node in graph if node.op_type != "Constant" or node.domain)


def _signature(node: ir.Node) -> tuple[Any, ...]:
    """Return what makes a node what it is; graphs in it have nodes of their own."""
    names = tuple(value.name if value is not None else None for value in (*node.inputs, None, *node.outputs))
    graphs_of = (ir.AttributeType.GRAPH, ir.AttributeType.GRAPHS)
    kept = (each for each in node.attributes.values() if each.type not in graphs_of)
    attributes = sorted(ir.serde.serialize_attribute(each).SerializeToString() for each in kept)
    return (node.domain, node.op_type, names, tuple(attributes))


def _facts(model: ir.Model) -> dict[str, str]:
    """Return what a model says of itself besides, in words."""
    return {
        "inputs": ", ".join(map(_value, model.graph.inputs)),
        "outputs": ", ".join(map(_value, model.graph.outputs)),
        "operator sets": ", ".join(f"{domain or 'ai.onnx'} {n}" for domain, n in sorted(model.opset_imports.items())),
        "IR version": str(model.ir_version),
        "producer": " ".join(filter(None, (model.producer_name, model.producer_version))),
        "functions": ", ".join(sorted(f"{key[0]}.{key[1]}" for key in model.functions)),
    }


def _value(value: ir.Value) -> str:
    dtype = "" if value.dtype is None else f" {value.dtype.name.lower()}"
    shape = "" if value.shape is None else f"[{', '.join(str(dim) for dim in value.shape)}]"
    return f"{value.name}{dtype}{shape}"


def _pairs(a: Mapping[str, str], b: Mapping[str, str]) -> dict[str, Pair]:
    """Return what two mappings say differently."""
    keys = dict.fromkeys([*a, *b])
    return {key: (a.get(key, ""), b.get(key, "")) for key in keys if a.get(key) != b.get(key)}
