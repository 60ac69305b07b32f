"""What a verification found of the integers of a quantised model: their bits, and the operators that work with them."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from onnxdc.shown import shown

# Operators of onnxruntime that compute with integers, as its optimiser leaves them: QuantizeLinear and
# DequantizeLinear, which only convert, are none.
_ON_INTEGERS: Final = re.compile(
    r"(com\.microsoft\.)?(QLinear\w+|QGemm|Q\w*Attention|QMoE|QEmbed\w+|DynamicQuantize(MatMul|LSTM)|Quantized\w+"
    r"|\w+Integer(ToFloat)?|MatMulNBits|MatMulBnb4|GatherBlockQuantized)"
)
_ALIKE: Final = 0.5  # of the nonzeros, a choice: of models that were quantised in two ways far fewer are equal
_NAMED: Final = 4  # operators of a graph, a choice


@dataclass(frozen=True)
class Differing:
    """A weight of integers that is another one in B.

    Attributes:
        name: Its name.
        dtype: Its type.
        size: The number of its elements.
        elements: How many of them differ.
    """

    name: str
    dtype: str
    size: int
    elements: int

    @property
    def text(self) -> str:
        """What differs, in words."""
        return f"{shown(self.name)}: {self.elements:,} of {self.size:,} elements of {self.dtype} differ"


@dataclass(frozen=True)
class IntegerCheck:
    """The integers of A and of B, which are to be the same if B is A coded.

    Attributes:
        compared: How many weights of integers that B has coded A has, too, under the same name, type and shape.
        alike: The share of their elements that are equal, where not both are 0.
        differing: The weights whose bits are not equal.
        a: How often each operator is in A as onnxruntime has optimised it; empty if nobody counted.
        b: The same of B, without the native library.
        not_counted: Why nobody counted; empty if somebody did.
    """

    compared: int
    alike: float
    differing: tuple[Differing, ...] = ()
    a: Mapping[str, int] = field(default_factory=dict)
    b: Mapping[str, int] = field(default_factory=dict)
    not_counted: str = ""

    @property
    def is_of_one_model(self) -> bool:
        """Whether B is A coded, or is meant to be; else A was quantised in another way, and they need not agree."""
        return self.alike >= _ALIKE

    @property
    def lost(self) -> tuple[str, ...]:
        """The operators that compute with integers and are fewer in B, with both numbers."""
        return lost_operators(self.a, self.b)

    @property
    def failures(self) -> tuple[str, ...]:
        """Why B is not A coded, if it is meant to be."""
        if not self.is_of_one_model:
            return ()
        lost = (f"onnxruntime optimises B to a graph with fewer {text}" for text in self.lost)
        return (*(weight.text for weight in self.differing), *lost)

    def to_dict(self) -> dict[str, Any]:
        """Return the attributes and the properties."""
        return dataclasses.asdict(self) | {
            "is_of_one_model": self.is_of_one_model,
            "lost": list(self.lost),
            "failures": list(self.failures),
        }

    def lines(self) -> list[str]:
        """Return a line on the bits, one on the operators, and one for each failure."""
        equal = self.compared - len(self.differing)
        line = f"coded integers: {equal} of {self.compared} weights are equal to A's bit for bit"
        if not self.is_of_one_model:
            return [
                f"{line}, and {self.alike:.0%} of all nonzeros: A is quantised in another way, B is not held to that"
            ]
        return [line, self._operators(), *(f"  failed: {line}" for line in self.failures)]

    def _operators(self) -> str:
        if self.not_counted:
            return f"operators of the optimised graphs: not counted: {self.not_counted}"
        if self.a == self.b:
            most = sorted(self.a.items(), key=lambda item: -item[1])
            named = [f"{count} {shown(name)}" for name, count in most[:_NAMED]]
            more = [f"{len(most) - _NAMED} more"] if len(most) > _NAMED else []
            return f"operators of the optimised graphs: the same: {', '.join(named + more)}"
        names = [name for name in dict.fromkeys([*self.a, *self.b]) if self.a.get(name, 0) != self.b.get(name, 0)]
        changed = [f"{shown(name)} {self.a.get(name, 0)} -> {self.b.get(name, 0)}" for name in names]
        return f"operators of the optimised graphs: {', '.join(changed)}"


def lost_operators(a: Mapping[str, int], b: Mapping[str, int]) -> tuple[str, ...]:
    """Return in words which operators on integers are fewer in one graph than in another.

    >>> lost_operators({"QLinearConv": 3, "Add": 2}, {"QLinearConv": 1, "Conv": 2})
    ('QLinearConv (3 in A, 1 in B)',)
    """
    fewer = [name for name, count in a.items() if _ON_INTEGERS.fullmatch(name) and b.get(name, 0) < count]
    return tuple(f"{shown(name)} ({a[name]} in A, {b.get(name, 0)} in B)" for name in fewer)
