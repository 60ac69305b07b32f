"""Weights as the matrices that they are to their operators, and back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from onnxdc.graph.passing import RESHAPING
from onnxdc.graph.trace import Use


class Move(NamedTuple):
    """A change of an array's layout.

    Attributes:
        kind: Which.
        numbers: The new shape, or the order of the axes.
    """

    kind: Literal["reshape", "transpose"]
    numbers: tuple[int, ...]


@dataclass(frozen=True)
class Matrices:
    """How a weight becomes matrices ``[g, rows, n]``, of which each yields ``rows`` outputs of ``n`` inputs.

    Attributes:
        shape: The shape of the weight.
        moves: The moves that make it matrices.
    """

    shape: tuple[int, ...]
    moves: tuple[Move, ...] = ()

    def of(self, array: np.ndarray) -> NDArray[np.float32]:
        """Return a weight as matrices, float32 ``[g, rows, n]``."""
        for kind, numbers in self.moves:
            array = array.reshape(numbers) if kind == "reshape" else array.transpose(numbers)
        return np.ascontiguousarray(array, dtype=np.float32)

    def back(self, matrices: np.ndarray) -> np.ndarray:
        """Return matrices ``[g, rows, n]`` as the weight, of their own type."""
        for move, shape in reversed(list(zip(self.moves, self._shapes(), strict=False))):
            is_reshape = move.kind == "reshape"
            matrices = matrices.reshape(shape) if is_reshape else matrices.transpose(np.argsort(move.numbers))
        return np.ascontiguousarray(matrices)

    def reshape(self, *shape: int) -> Matrices:
        """Return these with one more move: another shape."""
        return Matrices(self.shape, (*self.moves, Move("reshape", shape)))

    def transpose(self, *order: int) -> Matrices:
        """Return these with one more move: axes in another order."""
        return Matrices(self.shape, (*self.moves, Move("transpose", order)))

    @property
    def last(self) -> tuple[int, ...]:
        """The shape after all moves."""
        return self._shapes()[-1]

    def _shapes(self) -> Sequence[tuple[int, ...]]:
        """Return the shape before each move, and after the last."""
        shapes = [self.shape]
        for kind, numbers in self.moves:
            shapes.append(numbers if kind == "reshape" else tuple(shapes[-1][axis] for axis in numbers))
        return shapes


def arriving(use: Use, shape: tuple[int, ...]) -> Matrices | None:
    """Return how a constant of this shape arrives at the operator that uses it.

    None if it does not arrive whole, or if a shape on the way is not known.
    """
    found = Matrices(shape)
    for node in use.path:
        rank = len(found.last)
        if node.op_type in ("Cast", "Identity"):
            continue
        if node.op_type == "Transpose":
            order = tuple(node.attributes.get_ints("perm", range(rank)[::-1]))
            if sorted(order) != list(range(rank)):
                return None
            found = found.transpose(*order)
        elif node.op_type in RESHAPING and _static(node.outputs[0]) is not None:
            after = _static(node.outputs[0]) or ()
            if np.prod(after, dtype=np.int64) != np.prod(shape, dtype=np.int64) or min(after, default=1) < 1:
                return None
            found = found.reshape(*after)
        else:
            return None
    return found


def _static(value: ir.Value) -> tuple[int, ...] | None:
    return tuple(value.shape.numpy()) if value.shape is not None and value.shape.is_static() else None
