"""What a pass answers: a record of each thing that it did, and of each that it left, with the reason."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Generic, NamedTuple, TypeVar

import numpy as np
import onnx_ir as ir

from onnxdc.graph.skips import Skip
from onnxdc.graph.weights import WeightInfo
from onnxdc.numeric.arrays import INTEGER_TYPES, bit_patterns
from onnxdc.numeric.huffman import MAX_LENGTH
from onnxdc.numeric.integers import entropy, integer_counts, stored_bytes
from onnxdc.numeric.weight import CompressedWeight
from onnxdc.passes.execution import Execution

Progress = Callable[[str, int, int], None]
"""Called as ``progress(name, done, total)`` after each weight; ``done`` counts from 1 to ``total``."""


@dataclass(frozen=True)
class Figures:
    """A weight in numbers.

    Attributes:
        size: The number of its elements.
        nnz: The number of its nonzero elements; -0.0 counts as one, as in the file format.
        nbytes: The bytes that its values take in a file: those of four bits take half a byte.
        distinct: The number of distinct values among the nonzeros; None if nobody counted.
        entropy: The bits an element of an ideal code for how often each integer occurs; None for floats.
    """

    size: int
    nnz: int
    nbytes: int
    distinct: int | None = None
    entropy: float | None = None

    @classmethod
    def of(cls, array: np.ndarray, distinct: int | None = None) -> Figures:
        """Return the figures of a dense weight, of any type of the format."""
        nnz = int(np.count_nonzero(bit_patterns(np.ascontiguousarray(array))))
        if array.dtype not in INTEGER_TYPES:
            return cls(array.size, nnz, array.nbytes, distinct)
        counts = integer_counts(array)
        used = counts[counts > 0]
        return cls(array.size, nnz, stored_bytes(array), used.size - (nnz < array.size), entropy(used))

    @property
    def density(self) -> float:
        """The nnz over the size; 0 for an empty weight."""
        return self.nnz / self.size if self.size else 0.0

    @property
    def is_integer(self) -> bool:
        """Whether the weight has integers."""
        return self.entropy is not None

    @property
    def itemsize(self) -> float:
        """The bytes of an element in a file, half a one for four bits; 0 for an empty weight."""
        if self.nbytes < self.size:
            return 0.5
        return self.nbytes / self.size if self.size else 0.0


@dataclass(frozen=True)
class GroupFigures:
    """A weight group in numbers.

    Attributes:
        entries: The number of its entries: nonzeros and filler zeros, or all elements if no gaps are stored.
        bits: The bits of a code before Huffman coding.
        index_bits: The bits of the widest gap of its table, before Huffman coding; None if no gaps are stored.
        codebook_bytes: The bytes of its codebook, and of its steps.
        nbytes: The bytes of all eight tensors.
    """

    entries: int
    bits: int
    index_bits: int | None
    codebook_bytes: int
    nbytes: int

    @classmethod
    def of(cls, group: CompressedWeight) -> GroupFigures:
        """Return the figures of a weight group."""
        return cls(
            entries=group.entries,
            bits=max(1, (group.codebook.shape[1] - 1).bit_length()),
            index_bits=_index_bits(group) if group.gaps.size else None,
            codebook_bytes=group.codebook.nbytes + group.step.nbytes,
            nbytes=group.nbytes,
        )


def _index_bits(group: CompressedWeight) -> int:
    """Return the bits that the widest gap takes which the table of a weight has, or a plain stream, less one."""
    counts, gaps = group.gap_table[:MAX_LENGTH], group.gap_table[MAX_LENGTH:]
    if not counts.size:
        gaps = group.gaps
    widest = int(gaps.max()) if gaps.size else int(counts.sum(dtype=np.int64)) - 1
    return max(1, (widest - 1).bit_length())


@dataclass(frozen=True)
class WeightChange:
    """Something that happened to a weight.

    Attributes:
        weight: What is known of the weight.
    """

    weight: WeightInfo

    @property
    def name(self) -> str:
        """The name of the weight."""
        return self.weight.name


@dataclass(frozen=True)
class Pruned(WeightChange):
    """A weight, some of whose elements became zero.

    Attributes:
        before: Its figures before.
        after: Its figures after.
        criterion: What it was pruned by: ``"density"``, ``"threshold"`` or ``"quality"``.
        value: The number that the criterion was given.
        energy_lost: The share of its sum of squares that is gone.
    """

    before: Figures
    after: Figures
    criterion: str
    value: float
    energy_lost: float


@dataclass(frozen=True)
class Shared(WeightChange):
    """A weight whose values were replaced by few; some of them by zero, if they are on a grid.

    Attributes:
        before: Its figures before.
        after: Its figures after, the distinct values among them.
        energy_lost: The sum of the squared changes of its elements over its sum of squares.
        steps: The step of its grid, or that of each output channel; None of values that k-means has found.
    """

    before: Figures
    after: Figures
    energy_lost: float
    steps: tuple[float, ...] | None = None


@dataclass(frozen=True)
class Encoded(WeightChange):
    """A weight that became a weight group.

    Attributes:
        dense: The figures of the dense weight.
        group: The figures of its group.
        execution: How it is executed.
        fused: What is fused into its sparse operators, such as ``"Relu"`` or ``"Add+Relu"``; empty for nothing.
    """

    dense: Figures
    group: GroupFigures
    execution: Execution
    fused: str = ""


@dataclass(frozen=True)
class Decoded:
    """A weight group that became a dense weight again.

    Attributes:
        name: The name of the weight.
        shape: The shape of the weight.
        dense: The figures of the dense weight.
        group: The figures of its group.
        sparse: Whether sparse operators consumed the group.
        dynamic: Whether these computed with integers.
        fused: What was fused into them, as in ``Encoded``.
    """

    name: str
    shape: tuple[int, ...]
    dense: Figures
    group: GroupFigures
    sparse: bool
    dynamic: bool = False
    fused: str = ""


@dataclass(frozen=True)
class Folded:
    """A node that is gone.

    Attributes:
        name: The name of the node.
        op_type: Its operator.
        into: The operator that computes it now; empty for a node that did nothing.
        into_name: The name of that operator's node.
    """

    name: str
    op_type: str
    into: str = ""
    into_name: str = ""

    @property
    def action(self) -> str:
        """``"folded"`` or ``"removed"``."""
        return "folded" if self.into else "removed"

    @property
    def summary(self) -> str:
        """What happened, without names."""
        return f"{self._what} into {self.into}" if self.into else self._what

    @property
    def detail(self) -> str:
        """What happened, with the name of the node that is left, if it has one."""
        return f"{self.summary} {self.into_name}" if self.into and self.into_name else self.summary

    @property
    def _what(self) -> str:
        return "Add and the MatMul before it" if self.op_type == "Add" else self.op_type


class RoundedBiases(NamedTuple):
    """Biases, and scales and shifts of normalizations, that were rounded to float16 or to integers of a byte.

    Attributes:
        vectors: Their number.
        elements: The number of their elements.
        in_bytes: The number of those elements that are integers of a byte times a step.
    """

    vectors: int = 0
    elements: int = 0
    in_bytes: int = 0


NO_BIASES: Final = RoundedBiases()

Record = TypeVar("Record")


@dataclass
class Result(Generic[Record]):
    """What a pass did.

    Attributes:
        model: The model that it worked on, in place.
        changes: A record of each thing that it did, in the order of the model.
        skips: What it left as it was, with the reason.
        biases: The biases that it rounded.
    """

    model: ir.Model
    changes: list[Record] = field(default_factory=list)
    skips: list[Skip] = field(default_factory=list)
    biases: RoundedBiases = NO_BIASES
