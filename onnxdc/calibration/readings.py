"""How the inputs of layers are read from tensors of the model; layers that read alike share what is learnt."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from onnxdc.calibration.im2col import columns, sampled, windows


@dataclass(frozen=True)
class Sample:
    """The tensors of one run, and what to read of them.

    Attributes:
        tensors: The tensors by name.
        kept: Which positions of ``[items, positions]`` are no padding, bool; None for all.
        seed: What positions are drawn by.
        first_item: The number of the first item.
    """

    tensors: Mapping[str, np.ndarray]
    kept: NDArray[np.bool_] | None
    seed: int
    first_item: int


class Reading(Protocol):
    """How the inputs of a layer are read; equal ones read the same."""

    @property
    def tensors(self) -> tuple[str, ...]:
        """The names of the tensors that it reads."""

    @property
    def groups(self) -> int:
        """The number ``g`` of groups."""

    @property
    def columns(self) -> int:
        """The number ``n`` of inputs of each."""

    def rows(self, sample: Sample) -> NDArray[np.float32]:
        """Return the inputs, float32 ``[rows, g, n]``."""


@dataclass(frozen=True)
class _OfOneTensor:
    """A reading of one tensor.

    Attributes:
        tensor: The name of the tensor.
    """

    tensor: str

    @property
    def tensors(self) -> tuple[str, ...]:
        """The names of the tensors that it reads."""
        return (self.tensor,)


@dataclass(frozen=True)
class Windows(_OfOneTensor):
    """The windows of a convolution ``[N, C, *S]``; see ``im2col.windows``."""

    kernel: tuple[int, ...]
    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    pads: tuple[int, ...] | str
    groups: int
    columns: int

    def rows(self, sample: Sample) -> NDArray[np.float32]:
        """Return the windows at sampled positions, float32 ``[rows, g, n]``."""
        every = windows(sample.tensors[self.tensor], self.kernel, self.strides, self.dilations, self.pads)
        return columns(every, self.groups, sample.seed, sample.first_item)


@dataclass(frozen=True)
class Pixels(_OfOneTensor):
    """The pixels of ``[N, C, *S]``, which a transposed convolution spreads."""

    groups: int
    columns: int

    def rows(self, sample: Sample) -> NDArray[np.float32]:
        """Return sampled pixels, float32 ``[rows, g, n]``."""
        x = sample.tensors[self.tensor]
        flat = x.reshape(*x.shape[:2], -1)
        taken = [
            item[:, sampled(flat.shape[2], sample.seed, sample.first_item + number)].T
            for number, item in enumerate(flat)
        ]
        return np.concatenate(taken).reshape(-1, self.groups, self.columns).astype(np.float32, copy=False)


@dataclass(frozen=True)
class Vectors(_OfOneTensor):
    """The rows or the columns of the matrices in a tensor.

    Attributes:
        columns: The number of inputs in each vector, or in each block of it.
        blocks: The number of blocks that vectors are cut into.
        transposed: Whether the vectors lie along the last axis but one, not along the last.
        batch: The axes of the weight before its last two: it is a matrix for each.
    """

    columns: int
    blocks: int = 1
    transposed: bool = False
    batch: tuple[int, ...] = ()

    @property
    def groups(self) -> int:
        """The number of blocks, or of matrices."""
        return self.blocks * math.prod(self.batch)

    def rows(self, sample: Sample) -> NDArray[np.float32]:
        """Return the vectors that are no padding, float32 ``[rows, g, n]``."""
        x = sample.tensors[self.tensor]
        if x.ndim == 1:
            x = x[None]
        elif self.transposed:
            x = np.swapaxes(x, -1, -2)
        if self.batch:
            x = _by_matrix(x, self.batch)
        elif sample.kept is not None and _is_of(x, sample.kept):
            x = x.reshape(sample.kept.size, -1, x.shape[-1])[sample.kept.reshape(-1)]
        return x.reshape(-1, self.groups, self.columns).astype(np.float32, copy=False)


def _is_of(x: np.ndarray, kept: NDArray[np.bool_]) -> bool:
    """Tell whether vectors ``[items, positions, ..., n]`` or ``[items * positions, n]`` are where a mask is."""
    return x.shape[: kept.ndim] == kept.shape if x.ndim > kept.ndim else x.ndim == 2 and len(x) == kept.size


def _by_matrix(x: np.ndarray, batch: tuple[int, ...]) -> np.ndarray:
    """Return vectors ``[..., rows, n]``, broadcast to those matrices that each is multiplied with, ``[rows, g, n]``."""
    outer = np.broadcast_shapes(x.shape[:-2], batch)
    x = np.broadcast_to(x, outer + x.shape[-2:])
    first = len(outer) - len(batch)
    of_group = [first + axis for axis, size in enumerate(batch) if size == outer[first + axis]]
    of_row = [axis for axis in range(len(outer) + 1) if axis not in of_group]
    return x.transpose(*of_row, *of_group, len(outer) + 1).reshape(-1, math.prod(batch), x.shape[-1])


@dataclass(frozen=True)
class States:
    """The states before each step of a recurrent layer: its initial state, then its output shifted by one step.

    Attributes:
        output: The name of the output ``Y``: ``[steps, directions, items, n]``, or items first.
        initial: The name of the initial state ``[directions, items, n]``, or items first; empty for zeros.
        direction: ``forward``, ``reverse`` or ``bidirectional``.
        items_first: Whether the items come first.
        columns: The size of the state.
    """

    output: str
    initial: str
    direction: str
    items_first: bool
    columns: int

    @property
    def tensors(self) -> tuple[str, ...]:
        """The names of the tensors that it reads."""
        return (self.output, self.initial) if self.initial else (self.output,)

    @property
    def groups(self) -> int:
        """The number of directions."""
        return 2 if self.direction == "bidirectional" else 1

    def rows(self, sample: Sample) -> NDArray[np.float32]:
        """Return the states, float32 ``[rows, directions, n]``."""
        y = sample.tensors[self.output]
        y = y.transpose(1, 2, 0, 3) if self.items_first else y  # [steps, directions, items, n]
        first = sample.tensors[self.initial] if self.initial else np.zeros(y.shape[1:], y.dtype)
        first = first.transpose(1, 0, 2) if self.items_first and self.initial else first
        reverse = [self.direction == "reverse", True][: self.groups]
        before = [
            np.concatenate(
                [y[1:, number], first[None, number]] if is_reverse else [first[None, number], y[:-1, number]]
            )
            for number, is_reverse in enumerate(reverse)
        ]
        return np.stack(before, axis=2).reshape(-1, self.groups, self.columns).astype(np.float32, copy=False)
