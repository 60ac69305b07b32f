"""Which inputs of which operators are weights, what stages may do to them, and where their output channels lie."""

from __future__ import annotations

from enum import StrEnum
from typing import Final, Literal, TypeAlias, get_args

import onnx_ir as ir

# Of weights, strongest first: a weight with several uses is of the first kind that one of them has.
Kind: TypeAlias = Literal["conv", "fc", "recurrent", "embedding", "other"]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)


class Role(StrEnum):
    """What a constant is to the operators that read it, and with that which stages may change it, strongest first."""

    WEIGHT = "weight"  # a weight that every stage takes
    TABLE = "table"  # a table, experts, stacked layers: shared and encoded, and pruned by nobody who was not asked
    INTEGERS = "integers"  # of a model that is quantised already: encoded, which loses nothing
    CONSTANT = "constant"  # whatever else is large: encoded, which loses nothing


ROLES: Final[tuple[Role, ...]] = tuple(Role)

FIXED: Final = frozenset({Role.INTEGERS, Role.CONSTANT})
"""The roles of what no stage changes: it is encoded where that is smaller."""

# Element types that a weight may have.
WEIGHT_TYPES: Final = frozenset({ir.DataType.FLOAT16, ir.DataType.BFLOAT16, ir.DataType.FLOAT, ir.DataType.DOUBLE})

# Element types of integers that are encoded as they are.
INTEGER_TYPES: Final = frozenset({ir.DataType.INT8, ir.DataType.UINT8, ir.DataType.INT4, ir.DataType.UINT4})

# What a constant may say of the activations that training has seen.
Statistic: TypeAlias = Literal["mean", "variance"]

_MICROSOFT = "com.microsoft"

# (domain, operator) -> the kind of weight it takes, the inputs that take it.
_WEIGHT_SLOTS: Final[dict[tuple[str, str], tuple[Kind, tuple[int, ...]]]] = {
    ("", "Conv"): ("conv", (1,)),
    ("", "ConvTranspose"): ("conv", (1,)),
    ("", "Gemm"): ("fc", (0, 1)),
    ("", "MatMul"): ("fc", (0, 1)),
    ("", "LSTM"): ("recurrent", (1, 2)),
    ("", "GRU"): ("recurrent", (1, 2)),
    ("", "RNN"): ("recurrent", (1, 2)),
    ("", "Gather"): ("embedding", (0,)),
    ("", "DeformConv"): ("other", (1,)),
    ("", "Einsum"): ("other", (0, 1)),
    (_MICROSOFT, "FusedMatMul"): ("other", (0, 1)),
    (_MICROSOFT, "FusedGemm"): ("other", (0, 1)),
    (_MICROSOFT, "GemmFastGelu"): ("other", (1,)),
    (_MICROSOFT, "FusedConv"): ("other", (1,)),
    (_MICROSOFT, "NhwcConv"): ("other", (1,)),
    (_MICROSOFT, "Attention"): ("other", (1,)),
    (_MICROSOFT, "EmbedLayerNormalization"): ("other", (2, 3, 4)),
}

# The same for what has the role of a table. Nobody knows how well these stand pruning.
_TABLE_SLOTS: Final[dict[tuple[str, str], tuple[Kind, tuple[int, ...]]]] = {
    ("", "GatherND"): ("embedding", (0,)),
    ("", "GatherElements"): ("embedding", (0,)),
    ("", "Slice"): ("embedding", (0,)),  # with bounds that only the inputs tell: see trace.py
    (_MICROSOFT, "MoE"): ("other", (2, 4, 6)),
    (_MICROSOFT, "DecoderAttention"): ("other", (2, 3)),
    (_MICROSOFT, "LongformerAttention"): ("other", (1, 4)),
    (_MICROSOFT, "PackedAttention"): ("other", (1,)),
    (_MICROSOFT, "DecoderMaskedSelfAttention"): ("other", (1,)),
    (_MICROSOFT, "FusedMatMulActivation"): ("other", (0, 1)),
    (_MICROSOFT, "TransposeMatMul"): ("other", (0, 1)),
    (_MICROSOFT, "ConvTransposeWithDynamicPads"): ("other", (1,)),
    (_MICROSOFT, "NhwcFusedConv"): ("other", (1,)),
    ("com.microsoft.nchwc", "Conv"): ("other", (1,)),  # its channels are in blocks, filled up with zeros
}

# Operators that compute with a quantized weight -> its kind, and the inputs that hold it. QuantizeLinear takes the
# float weight of a model that is quantized when it is loaded. What this one and DequantizeLinear hand on others take.
_QUANTIZED_SLOTS: Final[dict[str, tuple[Kind, tuple[int, ...]]]] = {
    "DequantizeLinear": ("other", (0,)),
    "QuantizeLinear": ("other", (0,)),
    "QLinearConv": ("conv", (3,)),
    "QLinearMatMul": ("fc", (0, 3)),
    "ConvInteger": ("conv", (1,)),
    "MatMulInteger": ("fc", (0, 1)),
    "MatMulIntegerToFloat": ("fc", (0, 1)),
    "DynamicQuantizeMatMul": ("fc", (1,)),
    "DynamicQuantizeLSTM": ("recurrent", (1, 2)),
    "QGemm": ("fc", (3,)),
    "QAttention": ("other", (1,)),
    "MatMulNBits": ("fc", (1,)),
    "MatMulBnb4": ("fc", (1,)),
    "GatherBlockQuantized": ("embedding", (0,)),
}

# Operators of the default domain -> the inputs that take a bias, or a scale and a shift for each channel.
_AFFINE_SLOTS: Final[dict[str, tuple[int, ...]]] = {
    "Conv": (2,),
    "ConvTranspose": (2,),
    "Gemm": (2,),
    "LSTM": (3, 7),
    "GRU": (3,),
    "RNN": (3,),
    "BatchNormalization": (1, 2),
    "InstanceNormalization": (1, 2),
    "LayerNormalization": (1, 2),
    "GroupNormalization": (1, 2),
    "PRelu": (1,),
    "Add": (0, 1),
    "Mul": (0, 1),
}

# Operators of the default domain -> the inputs that take running statistics.
_STATISTIC_SLOTS: Final[dict[str, dict[int, Statistic]]] = {"BatchNormalization": {3: "mean", 4: "variance"}}


def weight_kind(node: ir.Node, index: int) -> Kind | None:
    """Return the kind of weight that input ``index`` of the node takes, None if it takes none."""
    kind, slots = _slots(node)
    return kind if index in slots else None


def slot_role(node: ir.Node, index: int) -> Role:
    """Return the role of what input ``index`` of the node takes."""
    if weight_kind(node, index) is None:
        return Role.CONSTANT
    return Role.WEIGHT if (node.domain, node.op_type) in _WEIGHT_SLOTS else Role.TABLE


def _slots(node: ir.Node) -> tuple[Kind | None, tuple[int, ...]]:
    operator = (node.domain, node.op_type)
    return _WEIGHT_SLOTS.get(operator) or _TABLE_SLOTS.get(operator) or (None, ())


def is_quantized_slot(node: ir.Node, index: int) -> bool:
    """Tell whether input ``index`` of the node is a weight that is quantized already, or is about to be."""
    return quantized_kind(node, index) is not None


def quantized_kind(node: ir.Node, index: int) -> Kind | None:
    """Return the kind of quantized weight that input ``index`` of the node takes, None if it takes none."""
    kind, slots = _QUANTIZED_SLOTS.get(node.op_type, (None, ()))
    return kind if index in slots else None


def is_quantized_operator(node: ir.Node) -> bool:
    """Tell whether the node computes with quantized numbers, or makes or unmakes them."""
    return node.op_type in _QUANTIZED_SLOTS


def is_affine_slot(node: ir.Node, index: int) -> bool:
    """Tell whether input ``index`` of the node takes a bias, a scale or a shift of channels, if a vector feeds it."""
    return node.domain == "" and index in _AFFINE_SLOTS.get(node.op_type, ())


def statistic_kind(node: ir.Node, index: int) -> Statistic | None:
    """Return the running statistic that input ``index`` of the node takes; None if it takes none, or in training."""
    if node.domain != "" or int_attribute(node, "training_mode", 0) != 0:
        return None
    return _STATISTIC_SLOTS.get(node.op_type, {}).get(index)


def channel_axis(node: ir.Node, index: int, rank: int) -> int | None:
    """Return the axis of the weight at input ``index``, of rank ``rank``, along which the output channels lie.

    For a Gather table it is the axis that the indices choose from. It is None if the operator has no such axis, or if
    an attribute that decides it is known only when a function is called.
    """
    if rank < 2 or node.op_type in ("FusedMatMul", "Einsum", "EmbedLayerNormalization"):
        return None
    if node.op_type in ("Gemm", "FusedGemm"):
        transposed = int_attribute(node, "transA" if index == 0 else "transB", 0)
        return None if transposed is None else int((index == 0) == bool(transposed))
    if node.op_type == "MatMul":
        return rank - 2 if index == 0 else rank - 1
    if node.op_type == "Gather":
        axis = int_attribute(node, "axis", 0)
        return None if axis is None else axis % rank
    return 1 if node.op_type in ("ConvTranspose", "LSTM", "GRU", "RNN", "GemmFastGelu", "Attention") else 0


def int_attribute(node: ir.Node, name: str, default: int) -> int | None:
    """Return an integer attribute of the node; None if it refers to an attribute of the function around it."""
    attribute = node.attributes.get(name)
    if attribute is None:
        return default
    return None if attribute.is_ref() else attribute.as_int()
