"""The operators of the domain: what each one computes, and what its inputs and attributes are (docs/format.md)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from onnx import AttributeProto

from onnxdc.numeric.weight import TENSORS

DOMAIN: Final = "onnxdc"

# Operators that yield the dense weight for one that has no sparse form: by what its codebook holds, and by its form.
VALUES, GRID, INTEGER = "Weight", "Grid", "Integer"
DECODERS: Final = tuple(f"Decode{form}{kind}" for kind in (VALUES, GRID, INTEGER) for form in ("", "Dense"))
# Nodes that yield the symbols of groups for the portable bodies of Decode..., of SparseQuant... and of SparseDynamic...
# nodes. The native library has kernels for the last two, and for 15 more of each whose names end with a number from 2.
# As these yield nothing, what a library has no kernel for must not read them: so the two are apart.
SYMBOLS: Final = "Symbols"
SPARSE_SYMBOLS: Final = "SparseSymbols"
DYNAMIC_SYMBOLS: Final = "DynamicSymbols"
# The node that makes the integers and the scale of a bias from floats.
QUANTIZE_BIAS: Final = "QuantizeBias"
SYMBOL_INPUTS: Final = ("code", "gap")
GROUP_INPUTS: Final = (*TENSORS, *SYMBOL_INPUTS)

# What an operator may apply to its output, as its name says.
ACTIVATIONS: Final = ("", "Relu", "Clip", "LeakyRelu", "Silu", "HardSwish", "Gelu", "GeluTanh")
SLOPE: Final = "slope"  # the attribute that LeakyRelu's alpha becomes: Gemm has an alpha of its own
_BOUNDS: Final = ("min", "max")  # inputs, as Clip has them; each may be left out

INT, INTS, FLOAT, STRING = AttributeProto.INT, AttributeProto.INTS, AttributeProto.FLOAT, AttributeProto.STRING


@dataclass(frozen=True)
class Operator:
    """An operator that works on a compressed weight.

    Attributes:
        standard: The standard operator that it replaces.
        before: The inputs of that operator before the weight.
        after: The inputs of that operator after the weight.
        attributes: The attributes of the standard operator, with their types.
        added: ``"Add"`` for a residual that is added, ``"Bias"`` for a bias, else ``""``.
        activation: One of ``ACTIVATIONS``.
        dynamic: Whether it computes with integers, to which its inputs are rounded by their range in each run.
    """

    standard: str
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    attributes: Mapping[str, int] = field(default_factory=dict)
    added: str = ""
    activation: str = ""
    dynamic: bool = False

    @property
    def name(self) -> str:
        """Its type in the domain."""
        return f"Sparse{'Dynamic' if self.dynamic else 'Quant'}{self.standard}{self.added}{self.activation}"

    @property
    def symbols(self) -> str:
        """The operator that yields the symbols of its groups."""
        return DYNAMIC_SYMBOLS if self.dynamic else SPARSE_SYMBOLS

    @property
    def product(self) -> Operator:
        """The same with nothing fused."""
        return replace(self, added="", activation="")

    @property
    def first(self) -> int:
        """The number of the input at which its weight group begins."""
        return len(self.before)

    @property
    def inputs(self) -> int:
        """How many inputs come before those of what is fused into it."""
        return len(self.before) + len(GROUP_INPUTS) + len(self.after)

    @property
    def fused_inputs(self) -> tuple[str, ...]:
        """The inputs of what is fused into it."""
        return (*((self.added.lower(),) if self.added else ()), *(_BOUNDS if self.activation == "Clip" else ()))

    @property
    def fused(self) -> str:
        """What is fused into it, in words; empty if nothing is."""
        return "+".join(filter(None, (self.added, self.activation)))


_SPATIAL: Final = {"kernel_shape": INTS, "strides": INTS, "dilations": INTS, "pads": INTS, "auto_pad": STRING}
_CONV: Final = {**_SPATIAL, "group": INT}
_GEMM: Final = {"alpha": FLOAT, "beta": FLOAT, "transA": INT, "transB": INT}

# The standard operators that have a sparse one, with what may be added to their output, and the activations after it.
_PRODUCTS: Final = (
    (Operator("Gemm", ("A",), ("C",), attributes=_GEMM), ("",), ACTIVATIONS),
    (Operator("MatMul", ("A",)), ("", "Bias"), ACTIVATIONS),
    (Operator("Conv", ("X",), ("B",), attributes=_CONV), ("", "Add"), ACTIVATIONS),
    (Operator("Gather", (), ("indices",), attributes={"axis": INT}), ("",), ("",)),
)


def is_symbols(op_type: str) -> bool:
    """Tell whether an operator of the domain yields the symbols of groups."""
    return op_type.rstrip("0123456789") in (SYMBOLS, SPARSE_SYMBOLS, DYNAMIC_SYMBOLS)


def has_group(op_type: str) -> bool:
    """Tell whether a node of an operator of the domain, outside of the portable bodies, reads a weight group.

    An unknown operator counts as one that does: ``check_node`` refuses it.
    """
    return not is_symbols(op_type) and op_type != QUANTIZE_BIAS


SPARSE: Final = {operator.standard: operator for operator, _, _ in _PRODUCTS}
"""Standard operator -> the operator of the domain that takes its place."""

DYNAMIC: Final = {name: replace(operator, dynamic=True) for name, operator in SPARSE.items() if operator.before}
"""The same for operators on integers; rows of a table are read as they are."""

OPERATORS: Final = {
    operator.name: operator
    for product, additions, activations in _PRODUCTS
    for own in (product, DYNAMIC.get(product.standard, product))
    for operator in (replace(own, added=added, activation=name) for added in additions for name in activations)
}
"""Name of an operator of the domain -> the operator; those that decode or yield symbols are none of them."""
