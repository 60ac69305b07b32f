"""Convolutions of one to three spatial axes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor
from torch.nn import functional

from onnxdc.torch.operators.registry import Call, operator
from onnxdc.torch.operators.windows import pad_order, split_padding, windows

_FORWARD: dict[int, Callable[..., Any]] = {1: functional.conv1d, 2: functional.conv2d, 3: functional.conv3d}
_TRANSPOSED: dict[int, Callable[..., Any]] = {
    1: functional.conv_transpose1d,
    2: functional.conv_transpose2d,
    3: functional.conv_transpose3d,
}


def _for_rank(table: dict[int, Callable[..., Any]], x: Tensor) -> Callable[..., Tensor]:
    rank = x.dim() - 2
    if rank not in table:
        raise ValueError(f"expected 1 to 3 spatial axes, got {rank}")
    return table[rank]


@operator("Conv")
def convolution(call: Call, x: Tensor, w: Tensor, b: Tensor | None = None) -> Tensor:
    """Return the convolution of ``[N, C, ...]`` with kernels ``[M, C / group, ...]``."""
    run = _for_rank(_FORWARD, x)
    window = windows(call, x.shape[2:], w.shape[2:])
    even = window.begin == window.end and min(window.begin) >= 0
    padded, padding = (x, window.begin) if even else (functional.pad(x, window.padding), [0] * len(window.begin))
    return run(padded, w, b, window.strides, padding, window.dilations, call.get("group", 1))


@operator("ConvTranspose")
def transposed_convolution(call: Call, x: Tensor, w: Tensor, b: Tensor | None = None) -> Tensor:
    """Return the transpose of a convolution, with kernels ``[C, M / group, ...]``; padding is cut off its result."""
    run = _for_rank(_TRANSPOSED, x)
    sizes, rank = list(x.shape[2:]), x.dim() - 2
    window = windows(call, sizes, w.shape[2:])
    extra = call.get("output_padding") or [0] * rank
    begin, end = window.begin, window.end
    mode = call.get("auto_pad", "NOTSET")
    shape = call.get("output_shape")
    if shape or mode.startswith("SAME"):
        full = [s * (n - 1) + e + k for s, n, e, k in zip(window.strides, sizes, extra, window.spans, strict=True)]
        wanted = shape[-rank:] if shape else [n * s for n, s in zip(sizes, window.strides, strict=True)]
        totals = [have - want if shape else max(have - want, 0) for have, want in zip(full, wanted, strict=True)]
        begin, end = split_padding(totals, upper=mode == "SAME_UPPER")
    whole = run(x, w, b, window.strides, 0, extra, call.get("group", 1), window.dilations)
    return functional.pad(whole, pad_order([-n for n in begin], [-n for n in end]))
