"""Arrays that somebody gave, held against the inputs of a model and cut into runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np

from onnxdc.errors import ModelError
from onnxdc.model_io.feeds.specs import Feed, InputSpec

BATCH: Final = 64  # items in a run, a choice, if the model leaves their number open


def given_feeds(specs: list[InputSpec], arrays: Mapping[str, np.ndarray], where: str) -> list[Feed]:
    """Cut arrays into feeds.

    Args:
        specs: The inputs, from ``input_specs``.
        arrays: One array for each input; others are ignored. An array with one axis more than the input is a list of
            inputs, one for each run. Else its first axis is that of the input: it goes in as it is if the model fixes
            that axis to the same size, in equal parts if it fixes it to a smaller one, and in runs of 64 otherwise.
        where: What to call the model.

    Raises:
        ModelError: An array is missing, or has the wrong type, rank or shape.
    """
    feed = {spec.name: given_array(spec, arrays, where) for spec in specs}
    more = {spec.name: feed[spec.name].ndim - len(spec.shape) for spec in specs}
    if len(set(more.values())) > 1:
        raise ModelError(f"{where}: some arrays have one axis more than their input and some have not: {more}")
    if any(more.values()):
        return _cut(feed, 1, where, drop_axis=True)
    fixed = {spec.name: spec.shape[0] for spec in specs if spec.shape and isinstance(spec.shape[0], int)}
    if not fixed:
        return _cut(feed, BATCH, where)
    if all(len(feed[name]) == size for name, size in fixed.items()):
        return [feed]
    batch = max(fixed.values())
    if any(size != batch or len(feed[name]) % batch for name, size in fixed.items()):
        raise ModelError(f"{where}: takes {batch} items at a time, got {max(len(feed[name]) for name in fixed)}")
    return _cut(feed, batch, where)


def _cut(feed: Feed, batch: int, where: str, drop_axis: bool = False) -> list[Feed]:
    """Cut a feed into feeds of ``batch`` items; arrays without axes go into each."""
    lengths = {name: len(array) for name, array in feed.items() if array.ndim}
    if lengths and not any(lengths.values()):
        raise ModelError(f"{where}: expected items, got none: {lengths}")
    if len(set(lengths.values())) > 1:
        raise ModelError(f"{where}: the arrays differ in their number of items: {lengths}")
    parts: list[int | slice] = [
        start if drop_axis else slice(start, start + batch)
        for start in range(0, max(lengths.values(), default=1), batch)
    ]
    return [{name: np.asarray(array[part]) if array.ndim else array for name, array in feed.items()} for part in parts]


def given_array(spec: InputSpec, arrays: Mapping[str, np.ndarray], where: str, *, lists: bool = True) -> np.ndarray:
    """Return the array for one input, of its type.

    Args:
        spec: The input that the array is for.
        arrays: The arrays by the names of inputs.
        where: What to call the model, or the file of the arrays.
        lists: Whether it may have one axis more than the input, for a list of inputs. The first axis may have any
            length in any case: it counts items or inputs.

    Raises:
        ModelError: It is missing, or has the wrong type, rank or shape.
    """
    if spec.name not in arrays:
        raise ModelError(f"{where}: no array for input {spec.name}, got {', '.join(arrays) or 'none'}")
    array = np.asarray(arrays[spec.name])
    actual, more = f"{array.dtype}{list(array.shape)}", array.ndim - len(spec.shape)
    declared = spec.shape if more else spec.shape[1:]
    pairs = zip(declared, array.shape[1:], strict=False)
    if more not in ((0, 1) if lists else (0,)) or any(isinstance(dim, int) and dim != size for dim, size in pairs):
        raise ModelError(f"{where}: input {spec.name}: expected shape {_shape_text(spec)}, got {actual}")
    if not np.can_cast(array.dtype, spec.dtype, "same_kind"):
        raise ModelError(f"{where}: input {spec.name}: expected {spec.dtype}, got {actual}")
    return array.astype(spec.dtype, copy=False)


def _shape_text(spec: InputSpec) -> str:
    return f"[{', '.join('?' if dim is None else str(dim) for dim in spec.shape)}]"
