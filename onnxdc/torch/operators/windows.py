"""The windows of convolution and pooling along each spatial axis: strides, dilations, and the padding around them."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace

from onnxdc.torch.operators.registry import Call


@dataclass(frozen=True)
class Windows:
    """The windows of a node; each list has an entry for each spatial axis.

    Attributes:
        kernel: The sizes of a window.
        strides: The distances from window to window.
        dilations: The distances from element to element of a window.
        begin: The numbers of elements to add before the axes.
        end: The numbers of elements to add after them.
    """

    kernel: list[int]
    strides: list[int]
    dilations: list[int]
    begin: list[int]
    end: list[int]

    @property
    def spans(self) -> list[int]:
        """How far each window reaches, gaps included."""
        return [(size - 1) * step + 1 for size, step in zip(self.kernel, self.dilations, strict=True)]

    @property
    def padding(self) -> list[int]:
        """The padding as ``torch.nn.functional.pad`` takes it: the last axis first."""
        return pad_order(self.begin, self.end)


def pad_order(begin: Sequence[int], end: Sequence[int]) -> list[int]:
    """Return the elements to add before and after each axis, the last axis first."""
    return list(itertools.chain.from_iterable(zip(reversed(begin), reversed(end), strict=True)))


def windows(call: Call, sizes: Sequence[int], kernel: Sequence[int]) -> Windows:
    """Return the windows of a node over axes of these sizes, its ``auto_pad`` worked out."""
    rank = len(kernel)
    strides = call.get("strides") or [1] * rank
    dilations = call.get("dilations") or [1] * rank
    pads = call.get("pads") or [0] * (2 * rank)
    explicit = Windows(list(kernel), strides, dilations, pads[:rank], pads[rank:])
    mode = call.get("auto_pad", "NOTSET")
    if mode == "NOTSET":
        return explicit
    if mode == "VALID":
        return replace(explicit, begin=[0] * rank, end=[0] * rank)
    totals = [
        max((-(-size // stride) - 1) * stride + span - size, 0)
        for size, stride, span in zip(sizes, strides, explicit.spans, strict=True)
    ]
    begin, end = split_padding(totals, upper=mode == "SAME_UPPER")
    return replace(explicit, begin=begin, end=end)


def split_padding(totals: Sequence[int], *, upper: bool) -> tuple[list[int], list[int]]:
    """Return the padding for both ends; ``upper`` puts the odd element at the end."""
    half = [total // 2 for total in totals]
    rest = [total - total // 2 for total in totals]
    return (half, rest) if upper else (rest, half)
