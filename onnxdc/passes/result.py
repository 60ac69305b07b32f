"""What a pass answers: the model, what it changed and what it skipped, with the reasons."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import onnx_ir as ir

from onnxdc.domain.operators import TENSORS
from onnxdc.graph.skips import Skip
from onnxdc.numeric.arrays import bit_patterns
from onnxdc.numeric.weight import CompressedWeight

Progress = Callable[[str, int, int], None]
"""Called as ``progress(name, done, total)`` after each weight; ``done`` counts from 1 to ``total``."""


@dataclass(frozen=True)
class Figures:
    """A weight in numbers.

    Attributes:
        size: elements.
        nnz: nonzero elements; -0.0 counts as one, as in the file format.
        nbytes: bytes that the weight takes in a file at this stage.
        distinct: distinct values among the nonzeros; None where nobody counted, such as before sharing.
    """

    size: int
    nnz: int
    nbytes: int
    distinct: int | None = None

    @classmethod
    def of(cls, array: np.ndarray, distinct: int | None = None) -> Figures:
        """The figures of a dense weight, of any of the four floating-point types."""
        return cls(array.size, int(np.count_nonzero(bit_patterns(array))), array.nbytes, distinct)

    @property
    def density(self) -> float:
        """nnz / size; 0 for an empty weight."""
        return self.nnz / self.size if self.size else 0.0


@dataclass(frozen=True)
class Change:
    """One thing that a pass did, in most passes to one weight.

    Attributes:
        name: the weight, or the node that was folded.
        action: the verb: ``"pruned"``, ``"shared"``, ``"encoded"``, ``"decoded"``, ``"folded"``, ``"removed"``.
        detail: the rest of the sentence, for people.
        kind: the kind of the weight, see ``weights.Weight``; empty for nodes.
        shape: its shape; empty for nodes.
        before: its figures before the pass, None for nodes.
        after: its figures after the pass, None for nodes.
        bits: bits that a code takes before Huffman coding, None where there are no codes.
        index_bits: bits that a gap takes before Huffman coding, None where there are no gaps.
        extra: figures that only one pass has, by name.
    """

    name: str
    action: str
    detail: str = ""
    kind: str = ""
    shape: tuple[int, ...] = ()
    before: Figures | None = None
    after: Figures | None = None
    bits: int | None = None
    index_bits: int | None = None
    extra: Mapping[str, int | float | str] = field(default_factory=dict)


@dataclass
class PassResult:
    """The model that a pass worked on, in place, with its changes and skips in the order of the model."""

    model: ir.Model
    changes: list[Change] = field(default_factory=list)
    skips: list[Skip] = field(default_factory=list)


def group_change(
    name: str,
    action: str,
    weight: CompressedWeight,
    dense: Figures,
    *,
    sparse: bool,
    detail: str = "",
    fused: str = "",
) -> Change:
    """What is to be told of a weight that was encoded or decoded.

    Args:
        name: of the weight.
        action: ``"encoded"`` or ``"decoded"``.
        weight: its group.
        dense: the figures of the dense weight; those of the group differ in their bytes.
        sparse: whether sparse operators consume the group.
        detail: the rest of the sentence, for people.
        fused: what is fused behind those operators.
    """
    encoded = replace(dense, nbytes=weight.nbytes)
    before, after = (dense, encoded) if action == "encoded" else (encoded, dense)
    tensors = zip(TENSORS, weight.tensors, strict=True)
    return Change(
        name,
        action,
        detail,
        shape=tuple(weight.shape.tolist()),
        before=before,
        after=after,
        bits=max(1, (weight.codebook.shape[1] - 1).bit_length()),
        index_bits=weight.index_bits if weight.gaps.size else None,
        extra={
            "execution": "sparse" if sparse else "dense",
            "fused": fused,
            "entries": weight.entries,
            **{f"{kind}_bytes": tensor.nbytes for kind, tensor in tensors},
        },
    )
