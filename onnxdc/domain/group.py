"""A weight group in a graph: eight initializers, and the attributes of the nodes that consume them (docs/format.md)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Final

import numpy as np
import onnx_ir as ir

from onnxdc.domain.operators import (
    DECODERS,
    DOMAIN,
    FLOAT,
    GRID,
    GROUP_INPUTS,
    INT,
    INTEGER,
    OPERATORS,
    SLOPE,
    VALUES,
    Operator,
    has_group,
    is_symbols,
)
from onnxdc.errors import FormatError, ModelError
from onnxdc.graph.names import Names
from onnxdc.graph.walk import node_name
from onnxdc.numeric.arrays import FLOAT_TYPES
from onnxdc.numeric.weight import DEFAULT_PACKET, TENSORS, CompressedWeight

VERSION: Final = 1
MIN_OPSET: Final = 11  # the first version of the standard operators that has all that the portable bodies use
EMPTY: Final = "none"  # the tensor that stands for every empty one
ATTRIBUTES: Final = ("checksum", "packet", "group_axis", "dtype")

_DEFAULTS: Final = {"packet": DEFAULT_PACKET, "group_axis": 0, "dtype": ir.DataType.FLOAT.value}
_SYMBOLS: Final = (".c", ".g")  # what the names of symbol inputs end with
SHARED: Final = ("step", "code_table", "gap_table", "extent")  # tensors that weights may have together, ...
SHARED_NAMELESS: Final = (TENSORS[0], *SHARED)  # ... and if a node yields them, so that no codebook says their name


def decoder_of(weight: CompressedWeight) -> str:
    """Return the operator that decodes a weight to a dense one."""
    form = "Dense" if weight.is_dense else ""
    kind = GRID if weight.step.size else VALUES if weight.dtype in FLOAT_TYPES else INTEGER
    return f"Decode{form}{kind}"


def take_names(names: Names, weight: str) -> list[str]:
    """Take names for the tensors: ``<weight>.codebook``, the others with a number instead of the weight's name.

    Each name is written at least twice, so long ones would be a notable part of a small file.

    Args:
        names: The names of the model.
        weight: The name of the weight; empty if a node yields it, and so says it: the codebook gets a number, too.

    Returns:
        The names of the eight tensors and of the two symbol inputs.
    """
    codebook, *others = (f".{tensor}" for tensor in TENSORS)
    others += _SYMBOLS
    numbered = others if weight else [codebook, *others]
    number = names.take_number(numbered)
    said = [names.take(weight, [codebook]) + codebook] if weight else []
    return [*said, *(number + suffix for suffix in numbered)]


class Tensors:
    """The initializers of one graph that hold groups: equal small ones, such as extents, only once."""

    def __init__(self, names: Names) -> None:
        self._names = names
        self._small: dict[tuple[object, ...], ir.Value] = {}
        self._empty: ir.Value | None = None

    def values(
        self, weight: CompressedWeight, names: Sequence[str], shared: Collection[str] = SHARED
    ) -> list[ir.Value]:
        """Return the eight tensors of a weight as values that are to become initializers.

        Args:
            weight: The weight.
            names: What the values are called, unless an equal one is there.
            shared: The tensors that it may have together with other weights.
        """
        values = []
        for kind, name, array in zip(TENSORS, names, weight.tensors, strict=False):
            if array.size == 0:
                values.append(self._nothing())
            elif kind in shared:
                values.append(self._stored_once(name, array))
            else:
                values.append(_constant(name, array))
        return values

    def _stored_once(self, name: str, array: np.ndarray) -> ir.Value:
        key = (array.dtype, array.shape, array.tobytes())
        return self._small.setdefault(key, _constant(name, array))

    def _nothing(self) -> ir.Value:
        """Return the value that stands for every empty tensor."""
        if self._empty is None:
            self._empty = _constant(self._names.take(EMPTY), np.empty(0, np.uint8))
        return self._empty


def _constant(name: str, array: np.ndarray) -> ir.Value:
    """Return a value for an initializer, without a type: no value_info is written that would repeat the tensor's."""
    if array.dtype == np.int64:
        return small_integers(name, array)
    return ir.Value(name=name, const_value=ir.Tensor(array, name=name))


def small_integers(name: str, array: np.ndarray) -> ir.Value:
    """Return a value for an initializer of int64, in the field where a small number takes a byte or two, not eight."""
    proto = ir.serde.serialize_tensor(ir.Tensor(array, name=name))
    proto.ClearField("raw_data")
    proto.int64_data.extend(array.ravel())
    return ir.Value(name=name, const_value=ir.TensorProtoTensor(proto))


def symbol_inputs(group: Sequence[ir.Value], outputs: Sequence[ir.Value]) -> list[ir.Value]:
    """Return the symbol inputs of a group: what is yielded for its codes and its gaps, or the stream if it is plain."""
    named = dict(zip(TENSORS, group, strict=True))
    streams = ((named["code_table"], named["codes"]), (named["gap_table"], named["gaps"]))
    return [
        # The name of the empty tensor of an inner graph is another one.
        stream if table.const_value is not None and table.const_value.size == 0 else output
        for (table, stream), output in zip(streams, outputs, strict=True)
    ]


def group_attributes(weight: CompressedWeight, required: Collection[str] = ()) -> list[ir.Attr]:
    """Return the attributes of every node that consumes the group: those ``required`` or not at their default."""
    values = {
        "checksum": weight.checksum,
        "packet": weight.packet,
        "group_axis": weight.group_axis if weight.groups > 1 else 0,
        "dtype": ir.DataType.from_numpy(weight.dtype).value,
    }
    return [
        ir.AttrInt64(name, value) for name, value in values.items() if name in required or value != _DEFAULTS.get(name)
    ]


def make_sparse(operator: Operator, node: ir.Node, group: Sequence[ir.Value], attributes: Iterable[ir.Attr]) -> None:
    """Turn a standard node into an operator of the domain that takes its place.

    Args:
        operator: The operator, with nothing fused.
        node: The node, which is changed.
        group: The tensors of the weight and the two symbol inputs.
        attributes: Those of the group.
    """
    node.op_type, node.domain = operator.name, DOMAIN
    after = node.inputs[operator.first + 1 :]
    # onnx.reference wants every input of a function, so an optional one that is left out is written as an empty one.
    missing = len(operator.after) - len(after)
    set_inputs(node, [*node.inputs[: operator.first], *group, *after, *[None] * missing])
    for attribute in attributes:
        node.attributes.add(attribute)


def make_standard(node: ir.Node, weight: ir.Value) -> None:
    """Turn a node of the domain, with nothing fused, back into the standard one with a dense weight."""
    operator = OPERATORS[node.op_type]
    node.op_type, node.domain = operator.standard, ""
    set_inputs(node, [*node.inputs[: operator.first], weight, *node.inputs[operator.first + len(GROUP_INPUTS) :]])
    if node.inputs[-1] is None:
        node.resize_inputs(len(node.inputs) - 1)
    for name in ATTRIBUTES:
        node.attributes.pop(name, None)


def decode_into(
    weight: ir.Value, graph: ir.Graph, decoder: str, group: Sequence[ir.Value], attributes: Iterable[ir.Attr]
) -> ir.Value:
    """Let a node yield what a constant yielded: before its Constant node, else at the graph's start; return its output.

    Args:
        weight: The constant.
        graph: The graph that it is in.
        decoder: The operator of the node.
        group: The tensors of the weight and the two symbol inputs.
        attributes: Those of the group.
    """
    output = copied(weight)
    node = ir.Node(DOMAIN, decoder, group, attributes, outputs=[output], name="")
    graph.insert_before(weight.producer() or graph[0], node)
    weight.replace_all_uses_with(output, replace_graph_outputs=True)
    return output


def drop_symbols(model: ir.Model) -> None:
    """Remove the nodes that yield symbols, which only portable bodies read."""
    for graph in model.graphs():
        nodes = [node for node in graph if node.domain == DOMAIN and is_symbols(node.op_type)]
        for node in nodes:
            for output in node.outputs:
                for use in tuple(output.uses()):
                    use.node.replace_input_with(use.idx, None)
        graph.remove(nodes, safe=True)


def drop_unused_symbols(graph: ir.Graph) -> None:
    """Remove the nodes of a graph that yield symbols which nothing reads."""
    nodes = [node for node in graph if node.domain == DOMAIN and is_symbols(node.op_type)]
    graph.remove([node for node in nodes if not any(output.uses() for output in node.outputs)], safe=True)


def drop_unused_functions(model: ir.Model) -> None:
    """Remove the functions of the domain that nothing calls, and its import if no node is left."""
    called = [node for graph in model.graphs() for node in graph if node.domain == DOMAIN]
    used: set[ir.OperatorIdentifier] = set()
    while called:
        identifier = called.pop().op_identifier()
        if identifier in model.functions and identifier not in used:
            used.add(identifier)
            called += [node for node in model.functions[identifier] if node.domain == DOMAIN]
    for identifier in [key for key in model.functions if key[0] == DOMAIN and key not in used]:
        del model.functions[identifier]
    if not any(node.domain == DOMAIN for graph in model.graphs() for node in graph):
        model.opset_imports.pop(DOMAIN, None)


def copied(value: ir.Value) -> ir.Value:
    """Return a value of the same name, type and texts, without producer, uses or tensor."""
    return ir.Value(
        name=value.name,
        type=value.type,
        shape=value.shape,
        doc_string=value.doc_string,
        metadata_props=dict(value.metadata_props),
    )


def set_inputs(node: ir.Node, inputs: Sequence[ir.Value | None]) -> None:
    """Give a node these inputs and no others."""
    node.resize_inputs(len(inputs))
    for index, value in enumerate(inputs):
        node.replace_input_with(index, value)


def describe_like(value: ir.Value, other: ir.Value) -> None:
    """Give a value the name, type and texts of another one."""
    value.name, value.type, value.shape = other.name, other.type, other.shape
    value.doc_string = other.doc_string
    value.metadata_props.clear()
    value.metadata_props.update(other.metadata_props)


def fused_text(nodes: Iterable[ir.Node]) -> str:
    """Return the words for what is fused into the sparse operators among some nodes; empty if nothing is."""
    own = (node for node in nodes if node.op_type in OPERATORS and node.domain == DOMAIN)
    return ", ".join(sorted({OPERATORS[node.op_type].fused for node in own} - {""}))


def group_of(node: ir.Node) -> tuple[ir.Value, ...]:
    """Return the eight values that a node of the domain takes its weight from.

    Raises:
        FormatError: One of the values is missing, or is not constant.
    """
    first = OPERATORS[node.op_type].first if node.op_type in OPERATORS else 0
    inputs = node.inputs[first : first + len(TENSORS)]
    for kind, value in zip(TENSORS, [*inputs, *[None] * len(TENSORS)], strict=False):
        if value is None or value.const_value is None or value.is_graph_input():
            raise FormatError("tensor-type", f"{kind} is missing or not constant", f"{node.op_type} {node.name!r}")
    return tuple(value for value in inputs if value is not None)


def stem_of(group: Sequence[ir.Value]) -> str:
    """Return what the name of the codebook says of the weight's name."""
    return (group[0].name or "").removesuffix(f".{TENSORS[0]}")


def name_of(node: ir.Node) -> str:
    """Return the name of the weight that a node of the domain takes: what it yields, or what the codebook says."""
    return (node.outputs[0].name if node.op_type in DECODERS else stem_of(group_of(node))) or ""


def read_group(node: ir.Node) -> CompressedWeight:
    """Read the weight group of a node of the domain, as it stands: the decoder checks what the arrays hold.

    Raises:
        FormatError: A tensor is missing, not constant or cannot be read, or an attribute is missing.
    """
    group = group_of(node)
    try:
        arrays = [value.const_value.numpy() for value in group if value.const_value is not None]
    except (OSError, TypeError, ValueError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise FormatError("tensor-type", reason, stem_of(group)) from error
    integers = group_integers(node)
    if "checksum" not in integers:
        raise FormatError("checksum", "the attribute is missing", stem_of(group))
    try:
        dtype = np.dtype(ir.DataType(integers.pop("dtype")).numpy())
    except (TypeError, ValueError) as error:
        raise FormatError("codebook-type", f"unknown dtype: {error}", stem_of(group)) from error
    tensors = dict(zip(TENSORS, arrays, strict=True))
    return CompressedWeight(**tensors, dtype=dtype, **integers)  # type: ignore[arg-type]


def group_integers(node: ir.Node) -> dict[str, int]:
    """Return what the attributes of a node, which was checked, say of its group, defaults included."""
    given = {name: node.attributes[name].as_int() for name in ATTRIBUTES if name in node.attributes}
    return _DEFAULTS | given


def check_node(node: ir.Node) -> None:
    """Refuse a node of the domain that is not of the form that docs/format.md section 1 gives it.

    Raises:
        ModelError: The operator is unknown, or has another number of inputs or outputs, or an attribute has another
            type or is that of a function.
    """
    where = f"node {node_name(node)!r}"
    operator = OPERATORS.get(node.op_type)
    if not has_group(node.op_type):
        return
    if operator is None and node.op_type not in DECODERS:
        raise ModelError(f"{where}: unknown operator {DOMAIN}.{node.op_type}")
    most = len(GROUP_INPUTS) if operator is None else operator.inputs + len(operator.fused_inputs)
    if len(node.inputs) > most:
        raise ModelError(f"{where}: expected at most {most} inputs of {node.op_type}, got {len(node.inputs)}")
    if len(node.outputs) != 1 or not node.outputs[0].name:
        raise ModelError(f"{where}: expected one output of {node.op_type}, got {len(node.outputs)}")
    types = dict.fromkeys(ATTRIBUTES, INT) | dict(operator.attributes if operator else {}) | {SLOPE: FLOAT}
    for name, attribute in node.attributes.items():
        if name in types and (attribute.is_ref() or attribute.type != types[name]):
            expected = ir.AttributeType(types[name]).name
            given = "a reference" if attribute.is_ref() else attribute.type.name
            raise ModelError(f"{where}: {name}: expected an attribute of type {expected}, got {given}")


def check_version(model: ir.Model) -> None:
    """Refuse a model with nodes of the domain that imports another version of it, or none.

    Raises:
        ModelError: It does.
    """
    version = model.opset_imports.get(DOMAIN)
    if version != VERSION:
        given = "none" if version is None else version
        raise ModelError(f"expected version {VERSION} of the operator set {DOMAIN}, which has its nodes, got {given}")
