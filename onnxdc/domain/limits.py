"""How much memory a model may take by what it says of itself, in proportion to its bytes (SECURITY.md).

A weight group says how large its weight is, and a few hundred bytes may say 16 GB. So whoever decodes a group first
charges a budget for it. The budget of a model follows from its bytes, as those of all that is unpacked here; a caller
who trusts a model can give it another one.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import Final, TypeAlias

import onnx_ir as ir

from onnxdc.domain.operators import Operator
from onnxdc.errors import LimitError, OptionError, OptionName
from onnxdc.numeric.weight import CompressedWeight

BASE: Final = 256 * 10**6  # bytes that any model may take
PER_BYTE: Final = 1000  # bytes that it may take more for each of its own; models at density 0.1 take about 35

# What the portable body of a weight takes in onnxruntime, fitted to models of 1 to 38 million weights in both forms:
# bytes for each element of the dense weight, each codeword, and each byte of packets.
_PORTABLE_ELEMENT: Final = 13
_PORTABLE_SYMBOL: Final = 12
_PORTABLE_STEP: Final = 30
# What that of a product on integers takes more for each element, by its operator: the weight is rounded, and that of a
# Gemm may be turned before.
_PORTABLE_ROUNDED: Final = {"MatMul": 5, "Conv": 15, "Gemm": 25}

_UNITS: Final = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
_SIZE: Final = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,15})?) ?([KMGT]?)(i?)B?", re.ASCII | re.IGNORECASE)

Limit: TypeAlias = int | str
"""Bytes, as a number or as a text such as ``"4GB"`` or ``"512 MiB"``."""


@dataclass
class Budget:
    """The bytes that a model may take; they are charged before they are taken.

    Attributes:
        limit: The bytes that may be charged.
        rule: Where the limit comes from, for the message.
        spent: The bytes that were charged.
    """

    limit: int
    rule: str = ""
    spent: int = field(default=0, init=False)

    @classmethod
    def of(cls, stored: int, limit: Limit | None = None) -> Budget:
        """Return the budget of a model.

        Args:
            stored: The bytes of the model, external data included.
            limit: What the caller allows instead.

        Raises:
            OptionError: The limit is no size.
        """
        if limit is not None:
            return cls(parse_size(limit))
        rule = f" ({BASE // 10**6} MB and {PER_BYTE:,} for each of its {stored:,} bytes)"
        return cls(BASE + PER_BYTE * stored, rule)

    def charge(self, nbytes: int, what: str) -> None:
        """Charge bytes that are about to be taken.

        Args:
            nbytes: The bytes.
            what: Whose they are, for the message.

        Raises:
            LimitError: All that was charged is more than the limit; the error names it, and the option that raises it.
        """
        self.spent += nbytes
        if self.spent > self.limit:
            raise LimitError(
                f"{what}: expected the model to take at most {self.limit:,} bytes when it is decoded{self.rule}, "
                f"got {self.spent:,} up to here; ",
                OptionName("limit"),
                " raises it for a model that you trust",
            )


def stored_bytes(model: ir.Model) -> int:
    """Return the bytes of the initializers of a model in memory: the least that a file of it takes."""
    tensors = (value.const_value for graph in model.graphs() for value in graph.initializers.values())
    return sum(tensor.nbytes for tensor in tensors if tensor is not None)


def parse_size(limit: Limit, option: str = "limit", expected: str = 'bytes, such as 4000000000 or "4GB"') -> int:
    """Return the bytes that a limit stands for.

    Args:
        limit: The limit.
        option: The option that it was given for.
        expected: What it may be, for the message.

    >>> parse_size("4GB"), parse_size("1.5 KiB"), parse_size(7)
    (4000000000, 1536, 7)

    Raises:
        OptionError: It is no size, or less than a byte.
    """
    if isinstance(limit, int) and not isinstance(limit, bool) and limit > 0:
        return limit
    match = _SIZE.fullmatch(limit.strip()) if isinstance(limit, str) else None
    if match is None:
        shown = repr(limit)[:40]
        raise OptionError(OptionName(option), f": expected {expected}, got {shown}")
    number, unit, binary = match.groups()
    factor = _UNITS[unit.upper()]
    nbytes = int(float(number) * (1024 ** round(math.log(factor, 1000)) if binary else factor))
    if nbytes == 0:
        raise OptionError(OptionName(option), f": expected {expected}, got {limit!r}, less than a byte")
    return nbytes


def dense_bytes(weight: CompressedWeight) -> int:
    """Return the bytes of the dense weight that a group, which was checked, decodes to."""
    return math.prod(weight.shape) * weight.dtype.itemsize


def portable_bytes(weight: CompressedWeight, operator: Operator | None) -> int:
    """Estimate what onnxruntime takes for the portable body of a group, which was checked, besides the weight.

    Args:
        weight: The group.
        operator: The operator that works on it; None for one that decodes it.
    """
    # The body steps over whole packets, however short the last one of a stream is.
    steps = sum(-(-stream.size // weight.packet) * weight.packet for stream in (weight.codes, weight.gaps))
    symbols = weight.entries * (1 + bool(weight.gaps.size))
    element = _PORTABLE_ELEMENT
    if operator is not None and operator.dynamic:
        element += _PORTABLE_ROUNDED[operator.standard]
    return element * math.prod(weight.shape) + _PORTABLE_SYMBOL * symbols + _PORTABLE_STEP * steps
