"""The inputs of single outputs of a convolution, of any rank, at a sample of positions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

POSITIONS: Final = 200  # of an item: with others in each item more of them tell no more


def sampled(size: int, seed: int, item: int) -> NDArray[np.int64]:
    """Return positions of 0..size-1 to look at in an item: all, or POSITIONS of them, others in each item."""
    if size <= POSITIONS:
        return np.arange(size)
    return np.sort(np.random.default_rng([seed, item]).choice(size, POSITIONS, replace=False))


def windows(
    x: np.ndarray,
    kernel: Sequence[int],
    strides: Sequence[int],
    dilations: Sequence[int],
    pads: Sequence[int] | str,
) -> np.ndarray:
    """Return all windows that a convolution goes through.

    Args:
        x: ``[N, C, *S]``.
        kernel: The size of the kernel along each axis of S.
        strides: The strides.
        dilations: The dilations.
        pads: What is added at the beginning of each axis, then at the end of each; or ``SAME_UPPER`` or ``SAME_LOWER``.

    Returns:
        ``[N, C, *outputs, *kernel]``, a view of the padded input.
    """
    axes = tuple(range(2, x.ndim))
    extents = [(size - 1) * dilation + 1 for size, dilation in zip(kernel, dilations, strict=True)]
    if isinstance(pads, str):
        pads = _same_pads(x.shape[2:], extents, strides, pads)
    rank = len(axes)
    padded = np.pad(x, [(0, 0), (0, 0), *zip(pads[:rank], pads[rank:], strict=True)])
    every = np.lib.stride_tricks.sliding_window_view(padded, extents, axes)
    each = (slice(None),) * 2
    return every[(*each, *(slice(None, None, step) for step in (*strides, *dilations)))]


def _same_pads(sizes: Sequence[int], extents: Sequence[int], strides: Sequence[int], which: str) -> list[int]:
    """Return the pads that give an output for every stride-th input, an odd one at the end or at the beginning."""
    totals = [
        max((-(-size // stride) - 1) * stride + extent - size, 0)
        for size, extent, stride in zip(sizes, extents, strides, strict=True)
    ]
    smaller = [total // 2 for total in totals]
    larger = [total - half for total, half in zip(totals, smaller, strict=True)]
    return [*smaller, *larger] if which == "SAME_UPPER" else [*larger, *smaller]


def columns(every: np.ndarray, groups: int, seed: int, first_item: int) -> NDArray[np.float32]:
    """Return the inputs of the outputs at sampled positions.

    Args:
        every: The windows, ``[N, C, *outputs, *kernel]``.
        groups: The groups of the convolution.
        seed: What the positions are drawn by.
        first_item: The number of the first item.

    Returns:
        float32 ``[positions of all items, groups, C / groups * kernel]``.
    """
    items, channels = every.shape[:2]
    rank = (every.ndim - 2) // 2
    outputs = every.shape[2 : 2 + rank]
    found = []
    for item in range(items):
        positions = np.unravel_index(sampled(int(np.prod(outputs)), seed, first_item + item), outputs)
        taken = every[item][(slice(None), *positions)]  # [C, positions, *kernel]
        found.append(np.moveaxis(taken, 1, 0).reshape(len(positions[0]) if rank else 1, groups, -1))
    return (
        np.concatenate(found).astype(np.float32, copy=False) if found else np.empty((0, groups, channels), np.float32)
    )
