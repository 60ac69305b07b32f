"""Decide what is to become of the weights that can be encoded, and weigh it: how many bytes that saves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

import numpy as np
import onnx
import onnx_ir as ir

from onnxdc.domain.group import SHARED, SHARED_NAMELESS, decoder_of
from onnxdc.domain.operators import DYNAMIC, DYNAMIC_SYMBOLS, SPARSE, SPARSE_SYMBOLS, SYMBOLS, Operator
from onnxdc.domain.portable import portable_functions
from onnxdc.domain.symbols import SymbolsNode, symbols_nodes
from onnxdc.graph.shapes import Shapes
from onnxdc.graph.weights import Weight
from onnxdc.numeric.arrays import INTEGER_TYPES
from onnxdc.numeric.weight import CompressedWeight
from onnxdc.passes.codings import codings
from onnxdc.passes.execution import Execution
from onnxdc.passes.fusion.fuse import record_tails
from onnxdc.passes.fusion.tails import Tail, find_tails
from onnxdc.passes.plan import Plan
from onnxdc.passes.result import Figures

# Bytes of protobuf besides data, as they were measured in models of one layer: of a group for the node's attributes and
# empty inputs, of each of its tensors for name, type and shape, and of a model for the import of the domain, headers of
# functions and metadata.
_GROUP_OVERHEAD: Final = 60
_TENSOR_OVERHEAD: Final = 24
_MODEL_OVERHEAD: Final = 168
_LEAST_SAVED: Final = 24  # bytes of a weight: its streams make the body that yields all symbols longer
_SMALL: Final = 1 << 16  # entries: a portable body takes about 10 ms for them


def saved_bytes(dense_bytes: int, compressed: CompressedWeight) -> int:
    """Return the bytes by which the file shrinks if a group replaces a dense weight."""
    stored = sum(tensor.size > 0 for tensor in compressed.tensors)
    return dense_bytes - compressed.nbytes - _GROUP_OVERHEAD - _TENSOR_OVERHEAD * stored


def shared_bytes(compressed: CompressedWeight) -> int:
    """Return the bytes of a group that other groups of a model may have, too."""
    return sum(tensor.nbytes + _TENSOR_OVERHEAD for tensor in (compressed.codebook, compressed.code_table))


def named_bytes(name: str) -> int:
    """Return the bytes of a name if a node yields it to a consumer, beyond those of the codebook's name."""
    return 2 * len(name.encode())


@dataclass(frozen=True)
class CodedWeight:
    """A weight that can be encoded.

    Attributes:
        weight: The weight in its model.
        compressed: Its group.
        dense: The figures of the dense weight.
        execution: How it is to run.
        index_bits: The bits of its gaps, if it gets some.
    """

    weight: Weight
    compressed: CompressedWeight
    dense: Figures
    execution: Execution
    index_bits: int

    @property
    def name_bytes(self) -> int:
        """The bytes of the name if a DecodeWeight node yields it to a consumer, beyond those of the codebook's name."""
        return 0 if self.execution.sparse else named_bytes(self.weight.name)

    @property
    def shared(self) -> Collection[str]:
        """The tensors of its group that it may have together with others; one is its own, and says where it was."""
        return SHARED if self.execution.sparse or not self.compressed.entries else SHARED_NAMELESS

    @property
    def decoder(self) -> str:
        """The operator that decodes it to a dense weight."""
        return decoder_of(self.compressed)

    def operator(self, node: ir.Node) -> Operator:
        """Return the operator that one of its nodes becomes, with nothing fused."""
        return (DYNAMIC if self.execution.dynamic else SPARSE)[node.op_type]

    @property
    def symbols(self) -> str:
        """The operator that yields its symbols for a portable body, unless those of all weights come together."""
        if not self.execution.sparse:
            return SYMBOLS
        return DYNAMIC_SYMBOLS if self.execution.dynamic else SPARSE_SYMBOLS

    @property
    def nodes(self) -> list[ir.Node]:
        """The nodes that become sparse operators."""
        return [use.node for use in self.weight.uses] if self.execution.sparse else []


SharedTensor: TypeAlias = tuple[ir.Graph, str, bytes]
"""The graph, the name in a group, and the content of a tensor that groups may have together."""


def _shared_tensors(coded: CodedWeight) -> list[SharedTensor]:
    contents = ((name, getattr(coded.compressed, name).tobytes()) for name in coded.shared)
    return [(coded.weight.graph, name, content) for name, content in contents if content]


@dataclass(frozen=True)
class GraphSymbols:
    """The nodes that yield the symbols of some weights of one graph.

    Attributes:
        graph: The graph.
        coded: The weights.
        nodes: The nodes, whose parts count through the weights.
    """

    graph: ir.Graph
    coded: Sequence[CodedWeight]
    nodes: Sequence[SymbolsNode]


@dataclass(frozen=True)
class Decision:
    """What is to become of a model.

    Attributes:
        coded: The weights that get groups.
        tails: What is fused into which node.
        record_bytes: The bytes that the record of what is fused takes beyond the nodes that go.
        attributes: The attributes that nodes of the domain have, or that tell of their groups.
        functions: The portable bodies of all operators.
        symbols: The nodes that yield the symbols of the weights of a graph, those for sparse operators apart.
    """

    coded: Sequence[CodedWeight]
    tails: Mapping[ir.Node, Tail]
    record_bytes: int
    attributes: Collection[str]
    functions: Sequence[onnx.FunctionProto]
    symbols: Sequence[GraphSymbols]

    @property
    def saved_bytes(self) -> int:
        """The bytes by which the file shrinks."""
        return self.saved_in_weights - self.cost_bytes

    @property
    def saved_in_weights(self) -> int:
        """The bytes by which groups are smaller than the dense weights."""
        saved = sum(saved_bytes(coded.dense.nbytes, coded.compressed) - coded.name_bytes for coded in self.coded)
        return saved + self._shared_bytes

    @property
    def cost_bytes(self) -> int:
        """The bytes that it takes to decode groups: functions, nodes, records."""
        functions: int = sum(function.ByteSize() for function in self.functions)
        nodes = sum(node.nbytes for each in self.symbols for node in each.nodes)
        return functions + nodes + self.record_bytes + _MODEL_OVERHEAD

    @property
    def _shared_bytes(self) -> int:
        """The bytes of the tensors that weights of one graph have together, but for the first of each."""
        return sum((count - 1) * (len(tensor[2]) + _TENSOR_OVERHEAD) for tensor, count in self._repeated.items())

    @property
    def growing(self) -> list[CodedWeight]:
        """The weights that would be smaller dense; what weights have together is divided among them."""
        repeated = self._repeated
        saved = [self._saved_in(coded, repeated) for coded in self.coded]
        by_decoder = {function.name: -float(function.ByteSize()) for function in self.functions}
        for coded, nbytes in zip(self.coded, saved, strict=True):
            by_decoder[coded.decoder] = by_decoder.get(coded.decoder, 0.0) + nbytes
        return [
            coded
            for coded, nbytes in zip(self.coded, saved, strict=True)
            if nbytes <= _LEAST_SAVED or by_decoder[coded.decoder] <= 0
        ]

    def _saved_in(self, coded: CodedWeight, repeated: Mapping[SharedTensor, int]) -> float:
        """Return the bytes by which a group is smaller than its dense weight."""
        counts = [(len(tensor[2]) + _TENSOR_OVERHEAD, repeated[tensor]) for tensor in _shared_tensors(coded)]
        saved = saved_bytes(coded.dense.nbytes, coded.compressed) - coded.name_bytes
        return saved + sum(nbytes * (1 - 1 / count) for nbytes, count in counts)

    @property
    def _repeated(self) -> Mapping[SharedTensor, int]:
        """How many weights have each tensor."""
        return Counter(tensor for coded in self.coded for tensor in _shared_tensors(coded))

    def fused(self, coded: CodedWeight) -> str:
        """Return what is fused into the operators of a weight, in words."""
        return ", ".join(sorted({self.tails[node].operator.fused for node in coded.nodes if node in self.tails}))


def decide(plan: Plan, coded_weights: Sequence[CodedWeight], shapes: Shapes, opset: int) -> Decision:
    """Decide what is fused and how the weights are coded together, and write the portable bodies that that takes."""
    products = {node: (coded.operator(node), coded.weight.shape) for coded in coded_weights for node in coded.nodes}
    tails = find_tails(plan.model.graph, products, shapes) if plan.recipe.fuse else {}
    record_bytes = record_tails(plan.model.graph, tails).nbytes
    record_bytes -= sum(ir.serde.serialize_node(node).ByteSize() for tail in tails.values() for node in tail.nodes)
    groups = [coded.compressed for coded in coded_weights]
    sets = [coded.execution.sparse for coded in coded_weights]
    index_bits = [coded.index_bits for coded in coded_weights]
    decisions = [
        _decision([*map(_recoded, coded_weights, weights)], tails, record_bytes, opset, together=together)
        for weights in codings(groups, sets, index_bits)
        for together in ((False, True) if _are_small(weights) and len(set(sets)) > 1 else (False,))
    ]
    return max(decisions, key=lambda decision: decision.saved_bytes)


def _are_small(weights: Sequence[CompressedWeight]) -> bool:
    """Tell whether it takes no time to open weights where kernels need no symbols of some of them."""
    return sum(weight.entries for weight in weights) <= _SMALL


def _recoded(coded: CodedWeight, compressed: CompressedWeight) -> CodedWeight:
    return replace(coded, compressed=compressed)


def _decision(
    coded_weights: Sequence[CodedWeight],
    tails: Mapping[ir.Node, Tail],
    record_bytes: int,
    opset: int,
    *,
    together: bool,
) -> Decision:
    """Return what becomes of a model if its weights are coded in one way, their symbols ``together`` or by sets."""
    operators = [(node, coded.operator(node)) for coded in coded_weights for node in coded.nodes]
    op_types = {(tails[node].operator if node in tails else operator).name for node, operator in operators}
    op_types |= {coded.decoder for coded in coded_weights if not coded.execution.sparse}
    attributes = set().union(*(_attributes(coded) for coded in coded_weights))
    symbols = _graph_symbols(coded_weights, together=together)
    dtypes = {coded.compressed.dtype for coded in coded_weights}
    functions = portable_functions(
        op_types,
        opset,
        [node.layout for each in symbols for node in each.nodes],
        decoders={coded.decoder for coded in coded_weights if coded.execution.sparse},
        attributes=attributes,
        nibbles=any(INTEGER_TYPES.get(dtype, dtype) != dtype for dtype in dtypes),
    )
    return Decision(coded_weights, tails, record_bytes, attributes, functions, symbols)


def _graph_symbols(coded_weights: Sequence[CodedWeight], *, together: bool) -> list[GraphSymbols]:
    """Plan the nodes that yield symbols, for each graph, and for each kind of operators by themselves or together."""
    planned: list[GraphSymbols] = []
    for operator in (SYMBOLS, SPARSE_SYMBOLS, DYNAMIC_SYMBOLS):
        number = 0
        own = [each for each in coded_weights if (SYMBOLS if together else each.symbols) == operator]
        for graph in dict.fromkeys(coded.weight.graph for coded in own):
            coded = [each for each in own if each.weight.graph is graph]
            nodes = symbols_nodes([each.compressed for each in coded], operator, first=number)
            planned.append(GraphSymbols(graph, coded, nodes))
            number += len(nodes)
    return planned


def _attributes(coded: CodedWeight) -> set[str]:
    """Return the attributes that count for the portable bodies of a weight's operators."""
    grouped = {"group_axis"} if coded.compressed.groups > 1 else set()
    typed = {"dtype"} if coded.compressed.dtype != np.float32 else set()
    return grouped.union(typed, *(node.attributes for node in coded.nodes))
