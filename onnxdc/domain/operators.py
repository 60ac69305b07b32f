"""The operators of the domain: what each one computes, and what its inputs and attributes are (docs/format.md)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from onnx import AttributeProto

from onnxdc.numeric.weight import TENSORS

DOMAIN: Final = "onnxdc"
DECODE_WEIGHT: Final = "DecodeWeight"  # yields the dense weight for an operator that has no sparse one

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
    """

    standard: str
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    attributes: Mapping[str, int] = field(default_factory=dict)
    added: str = ""
    activation: str = ""

    @property
    def name(self) -> str:
        """Its type in the domain."""
        return f"SparseQuant{self.standard}{self.added}{self.activation}"

    @property
    def first(self) -> int:
        """The number of the input at which its weight group begins."""
        return len(self.before)

    @property
    def inputs(self) -> int:
        """How many inputs come before those of what is fused into it."""
        return len(self.before) + len(TENSORS) + len(self.after)

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

SPARSE: Final = {operator.standard: operator for operator, _, _ in _PRODUCTS}
"""Standard operator -> the operator of the domain that takes its place."""

OPERATORS: Final = {
    operator.name: operator
    for product, additions, activations in _PRODUCTS
    for operator in (replace(product, added=added, activation=name) for added in additions for name in activations)
}
"""Name of an operator of the domain -> the operator; ``DecodeWeight`` is none of them."""
