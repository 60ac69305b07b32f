"""Put the dense weights back: the inverse of ``encode``, bit for bit, names, texts and order of the model included."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final, TypeAlias

import numpy as np
import onnx_ir as ir

from onnxdc.domain import group
from onnxdc.domain.compressed import is_dynamic
from onnxdc.domain.limits import Budget, dense_bytes, portable_bytes, stored_bytes
from onnxdc.domain.operators import DECODERS, DOMAIN, INTEGER, OPERATORS, has_group
from onnxdc.domain.origin import ADDED, NameCount, Origin, Origins
from onnxdc.domain.weight_origin import restored_constant, restored_tensor, restored_value
from onnxdc.errors import FormatError, ModelError
from onnxdc.graph.infos import leave_out_info
from onnxdc.graph.walk import insert_at
from onnxdc.numeric.decoding import check_weight, decode_weight
from onnxdc.numeric.weight import TENSORS, CompressedWeight
from onnxdc.passes.fusion.unfuse import unfuse
from onnxdc.passes.halves import restore_halves
from onnxdc.passes.int32_biases import restore_biases
from onnxdc.passes.result import Decoded, Figures, GroupFigures, Progress, Result

Decoder: TypeAlias = Callable[[CompressedWeight], np.ndarray]
"""From a weight group to the dense weight; raises FormatError."""

_LAZY: Final = 2**26  # bytes, a choice: larger weights are decoded to be checked, and again when they are written


@dataclass
class _StoredWeight:
    """A weight group in a graph.

    Attributes:
        graph: The graph that is to hold the dense weight: that of the node that decodes it, else that of the group.
        group: Its eight values.
        nodes: The nodes that it feeds, in this graph and in those inside it.
        fused: What is fused into them, in words.
        dynamic: Whether they compute with integers.
    """

    graph: ir.Graph
    group: tuple[ir.Value, ...]
    nodes: list[ir.Node] = field(default_factory=list)
    fused: str = ""
    dynamic: bool = False

    @property
    def name(self) -> str:
        """What to call the weight in messages, and what its origin is recorded by."""
        return group.name_of(self.nodes[0])

    @property
    def decoder_node(self) -> ir.Node | None:
        """The node that decodes the group, None if it feeds sparse operators."""
        return self.nodes[0] if self.nodes[0].op_type in DECODERS else None


@dataclass
class _DenseWeight:
    """A dense weight that is to replace a group.

    Attributes:
        stored: The weight in its group.
        value: The value that it is to be.
        tensor: The tensor of that value.
        origin: What the weight was.
    """

    stored: _StoredWeight
    value: ir.Value
    tensor: ir.TensorProtocol
    origin: Origin


def decode(
    model: ir.Model,
    *,
    decoder: Decoder = decode_weight,
    progress: Progress | None = None,
    budget: Budget | None = None,
    keep: bool = True,
) -> Result[Decoded]:
    """Decode every weight and give the model back its original form.

    Args:
        model: The model, which is changed in place and of no more use after an error.
        decoder: The function that decodes one weight.
        progress: Called after each weight.
        budget: What the dense weights are charged to; without one, what the size of the model allows.
        keep: Whether to keep the dense weights. Without them each weight is decoded to be checked, and once more if
            its values are asked for; only one is in memory at a time.

    Raises:
        ModelError: The model has no compressed weight, a node of the domain or the metadata entry ``onnxdc.origin`` is
            damaged, or the weights exceed the budget.
        FormatError: A weight breaks a rule of the format; the error names the weight.
    """
    budget = budget or Budget.of(stored_bytes(model))
    weights = _stored_weights(model)
    if not weights:
        raise ModelError("nothing to decode: the model has no compressed weight")
    origins = Origins.take(model)
    restore_halves(model, origins.halves)
    restore_biases(model, origins.biases)
    group.drop_symbols(model)
    unfuse(model, origins.fused)
    changes = _decode_weights(weights, origins, _Groups(decoder, budget, keep=keep), progress)
    for identifier in [key for key in model.functions if key[0] == DOMAIN]:
        del model.functions[identifier]
    del model.opset_imports[DOMAIN]
    model.ir_version = origins.ir_version or model.ir_version
    return Result(model, changes)


def decode_dense_nodes(
    model: ir.Model,
    *,
    decoder: Decoder = decode_weight,
    progress: Progress | None = None,
    budget: Budget | None = None,
    keep: bool = True,
    portable: bool = False,
) -> Result[Decoded]:
    """Decode only the weights that have nodes to decode them: what is left runs compressed.

    The result is for running: the weights become plain initializers whatever they were before.

    Arguments and errors are those of ``decode``, except that a model without such nodes is no error. With ``portable``
    what is left runs without the native library, too; else it yields no symbols, which takes time at each run. The
    kernels of what is left are charged, too: each takes its group apart for itself, into what is no larger than the
    dense weight.
    """
    budget = budget or Budget.of(stored_bytes(model))
    weights = _stored_weights(model)
    for stored in weights:
        if stored.decoder_node is None:
            budget.charge(dense_bytes(_read(stored)) * len(stored.nodes), stored.name)
    if not portable:
        group.drop_symbols(model)
    if weights:
        restore_biases(model, {})  # in whatever order
    dense = [stored for stored in weights if stored.decoder_node]
    changes = _decode_weights(dense, Origins(), _Groups(decoder, budget, keep=keep), progress)
    group.drop_unused_functions(model)
    return Result(model, changes)


def charge_portable(model: ir.Model, budget: Budget) -> None:
    """Charge what onnxruntime takes to run the portable bodies of a model, each group for each node that it feeds.

    Raises:
        ModelError: That exceeds the budget, or a node of the domain is damaged.
        FormatError: A weight breaks a rule of the format that shows without decoding: the bodies check nothing.
    """
    for stored in _stored_weights(model):
        budget.charge(_portable_bytes(stored, _read(stored)), stored.name)


def has_integers(model: ir.Model) -> bool:
    """Tell whether a model has weights of integers that are coded."""
    return any(
        node.domain == DOMAIN and node.op_type in DECODERS and node.op_type.endswith(INTEGER)
        for graph in model.graphs()
        for node in graph
    )


def portable_memory(model: ir.Model) -> int:
    """Estimate the bytes that opening a model by its portable bodies takes above opening the dense model."""
    return sum(_portable_bytes(stored, group.read_group(stored.nodes[0])) for stored in _stored_weights(model))


def _portable_bytes(stored: _StoredWeight, compressed: CompressedWeight) -> int:
    """Estimate what the portable bodies of the nodes of a weight take."""
    return sum(portable_bytes(compressed, OPERATORS.get(node.op_type)) for node in stored.nodes)


def _stored_weights(model: ir.Model) -> list[_StoredWeight]:
    """Find the weight groups of a model. Each node that decodes one counts for itself: it names the weight."""
    weights: dict[tuple[object, ...], _StoredWeight] = {}
    for graph in model.graphs():
        for node in graph:
            if node.domain != DOMAIN:
                continue
            group.check_node(node)
            if not has_group(node.op_type):
                continue
            values = group.group_of(node)
            own = node if node.op_type in DECODERS else None
            holder = graph if own else values[0].graph or graph
            weights.setdefault((own, *values), _StoredWeight(holder, values)).nodes.append(node)
    if weights:
        group.check_version(model)
    for function in model.functions.values():
        if function.domain != DOMAIN and any(node.domain == DOMAIN for node in function.all_nodes()):
            raise ModelError(f"function {function.name}: expected no node of the domain {DOMAIN} in it, got one")
    for stored in weights.values():
        stored.fused = group.fused_text(stored.nodes)
        stored.dynamic = any(map(is_dynamic, stored.nodes))
    return list(weights.values())


def _read(stored: _StoredWeight) -> CompressedWeight:
    """Read the group of a weight and check all that shows without decoding it.

    Raises:
        FormatError: A rule of the format is broken.
    """
    compressed = group.read_group(stored.nodes[0])
    with _naming(stored.name):
        check_weight(compressed)
    return compressed


@contextmanager
def _naming(name: str) -> Iterator[None]:
    """Put the name of a weight into a FormatError."""
    try:
        yield
    except FormatError as error:
        raise error.at(name) from error


@dataclass(frozen=True)
class _DecodedGroup:
    """A group with what is known of its dense weight.

    Attributes:
        compressed: The group.
        array: The dense weight; None if it is not kept.
        dense: The figures of the dense weight.
    """

    compressed: CompressedWeight
    array: np.ndarray | None
    dense: Figures


class _Groups:
    """The groups of a model, each decoded once however many nodes it feeds."""

    def __init__(self, decoder: Decoder, budget: Budget, *, keep: bool = True) -> None:
        self._decoder, self._budget, self.keep = decoder, budget, keep
        self._decoded: dict[tuple[object, ...], _DecodedGroup] = {}

    def decode(self, stored: _StoredWeight) -> _DecodedGroup:
        """Decode the group of a weight, or return what was decoded before; each dense weight that is kept is charged.

        Raises:
            ModelError: The budget is exceeded; nothing is decoded then.
            FormatError: A rule of the format is broken.
        """
        key = (*stored.group, *group.group_integers(stored.nodes[0]).items())
        known = self._decoded.get(key)
        if known is None or self.keep:
            compressed = known.compressed if known else _read(stored)
            self._budget.charge(dense_bytes(compressed), stored.name)
            known = known or self._decode(compressed, stored.name)
            self._decoded[key] = known
        return known

    def _decode(self, compressed: CompressedWeight, name: str) -> _DecodedGroup:
        array = self.array(compressed, name)
        is_kept = self.keep and array.nbytes <= _LAZY
        return _DecodedGroup(compressed, array if is_kept else None, Figures.of(array))

    def array(self, compressed: CompressedWeight, name: str) -> np.ndarray:
        """Return the dense weight of a group."""
        with _naming(name):
            return self._decoder(compressed)


def _decode_weights(
    weights: list[_StoredWeight], origins: Origins, groups: _Groups, progress: Progress | None
) -> list[Decoded]:
    """Decode the groups, then replace them by the dense weights, graph by graph."""
    changes: list[Decoded] = []
    decoded: dict[ir.Graph, list[_DenseWeight]] = {}
    names = NameCount()
    for done, stored in enumerate(weights, 1):
        known = groups.decode(stored)
        known_as = names.numbered(stored.name) if stored.decoder_node else stored.name
        weight = _dense_weight(stored, known, origins.weights.get(known_as, Origin()), groups)
        decoded.setdefault(stored.graph, []).append(weight)
        name, sparse = weight.value.name or "", stored.decoder_node is None
        figures, shape = GroupFigures.of(known.compressed), known.compressed.shape
        changes.append(
            Decoded(name, shape, known.dense, figures, sparse=sparse, dynamic=stored.dynamic, fused=stored.fused)
        )
        if progress:
            progress(stored.name, done, len(weights))
    for graph, dense in decoded.items():
        _restore(graph, dense)
    return changes


def _dense_weight(stored: _StoredWeight, known: _DecodedGroup, origin: Origin, groups: _Groups) -> _DenseWeight:
    """Return the dense weight as it goes into the graph."""
    node, compressed = stored.decoder_node, known.compressed
    name = (node.outputs[0].name if node else origin.name) or stored.name or "weight"
    dtype, shape = ir.DataType.from_numpy(compressed.dtype), ir.Shape(compressed.shape)
    value = group.copied(node.outputs[0]) if node else restored_value(name, dtype, shape, origin)
    if node and node.outputs[0].is_graph_output() and not origin.info:
        leave_out_info(value)
    elif node and origin.info == ADDED:
        value.type = value.shape = None
    tensor_name = name if origin.node < 0 else origin.tensor

    def restored() -> ir.TensorProtocol:
        array = groups.array(compressed, name) if known.array is None else known.array
        return restored_tensor(tensor_name, array, origin)

    if known.array is not None or (origin.storage and groups.keep):
        return _DenseWeight(stored, value, restored(), origin)
    tensor = ir.LazyTensor(
        restored,
        dtype=dtype,
        shape=shape,
        name=tensor_name or None,
        doc_string=origin.doc or None,
        metadata_props=dict(origin.props),
    )
    return _DenseWeight(stored, value, tensor, origin)


def _restore(graph: ir.Graph, weights: list[_DenseWeight]) -> None:
    """Connect the dense weights of one graph, and put them back among its initializers, inputs and nodes."""
    initializers = {value: [value] for value in graph.initializers.values()}
    for weight in weights:
        for node in weight.stored.nodes:
            if node.op_type in DECODERS:
                node.outputs[0].replace_all_uses_with(weight.value, replace_graph_outputs=True)
                graph.remove(node, safe=True)
            else:
                group.make_standard(node, weight.value)
        if weight.origin.node < 0:
            weight.value.const_value = weight.tensor
            initializers.setdefault(_own_tensor(weight.stored.group), []).append(weight.value)
    group.drop_unused_symbols(graph)  # which hold on to packets
    _check_new_names(graph, weights)
    used = {value for weight in weights for value in weight.stored.group}
    graph.initializers.clear()
    for value in (value for values in initializers.values() for value in values):
        if value in used and not value.uses() and not value.is_graph_output():
            continue
        if value.name in graph.initializers:
            raise ModelError(f"{value.name}: two weights decode to this name")
        graph.initializers.add(value)
    for weight in sorted(weights, key=lambda weight: weight.origin.input):
        if weight.origin.input >= 0:
            graph.inputs.insert(weight.origin.input, weight.value)
    _restore_constants(graph, [weight for weight in weights if weight.origin.node >= 0])


def _own_tensor(values: tuple[ir.Value, ...]) -> ir.Value:
    """Return a tensor of a group that no other group has: its codes, or the codebook of one without entries."""
    codebook, codes = (values[TENSORS.index(name)] for name in ("codebook", "codes"))
    return codes if codes.const_value is not None and codes.const_value.size else codebook


def _check_new_names(graph: ir.Graph, weights: list[_DenseWeight]) -> None:
    """Raise ModelError if a weight is to have the name of a value of the graph, or of one inside it."""
    inner = [*graph.subgraphs()]
    taken = {value.name for each in (graph, *inner) for node in each for value in node.outputs}
    taken |= {value.name for each in (graph, *inner) for value in each.inputs}
    taken |= {name for each in inner for name in each.initializers}
    for weight in weights:
        if weight.value.name in taken:
            raise ModelError(f"{weight.value.name}: a weight decodes to this name, which another value has")


def _restore_constants(graph: ir.Graph, weights: list[_DenseWeight]) -> None:
    """Put Constant nodes back to their positions among the nodes."""
    constants = [restored_constant(weight.value, weight.tensor, weight.origin) for weight in weights]
    insert_at(graph, [(weight.origin.node, node) for weight, node in zip(weights, constants, strict=True)])
