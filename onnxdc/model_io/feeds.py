"""What to feed a model: arrays that somebody gave, cut into runs, or random ones.

Random inputs are seeded, of the right types and shapes, and integers stay in the range that the model can take.
"""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
import onnx_ir as ir

from onnxdc.domain.operators import DOMAIN
from onnxdc.errors import ModelError
from onnxdc.graph.passing import CUTTING, PASSING

Feed: TypeAlias = dict[str, np.ndarray]

BATCH: Final = 64  # items in a run, a choice, if the model leaves their number open

# What is tried for dimensions that the model leaves open: the first one of an input, and all others. A model may be
# exported for one batch size, and convolutions need images of some size: 224 pixels are those of ImageNet.
OPEN_DIMENSIONS: Final = ((2, 16), (1, 16), (1, 64), (1, 224))


@dataclass(frozen=True)
class InputSpec:
    """One input of a model.

    Attributes:
        name: The name of the input.
        dtype: The numpy type of its elements.
        shape: A number for each dimension, or its symbol, or None if it has neither.
        limit: The number that integers must be below; None if nothing says so.
    """

    name: str
    dtype: np.dtype
    shape: tuple[int | str | None, ...]
    limit: int | None = None


def input_specs(model: ir.Model, where: str) -> list[InputSpec]:
    """Return the inputs of a model, without those that have a default.

    Raises:
        ModelError: An input is no tensor, or its type or rank is not known.
    """
    return [_spec(value, where) for value in model.graph.inputs if value.name not in model.graph.initializers]


def load_arrays(path: str | os.PathLike[str], required: str | None = None) -> dict[str, np.ndarray]:
    """Load the arrays of an ``.npz`` file.

    Args:
        path: The path of the file.
        required: The name of an array that must be in it.

    Raises:
        ModelError: The file cannot be read, or the array is missing.
    """
    try:
        with zipfile.ZipFile(path), np.load(path, allow_pickle=False) as file:
            arrays = dict(file)
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "not an .npz file of plain arrays"
        raise ModelError(f"{path}: cannot read: {reason}") from error
    if required is not None and required not in arrays:
        raise ModelError(f"{path}: no array {required}, got {', '.join(arrays) or 'none'}")
    return arrays


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


def random_feed(specs: list[InputSpec], first: int, others: int, rng: np.random.Generator) -> Feed:
    """Draw a value for each input: floats are normal, bytes and integers with a known limit uniform, other integers 1.

    Args:
        specs: The inputs, from ``input_specs``.
        first: The size of open dimensions that are the first of an input; a symbol has one size wherever it occurs.
        others: The size of the other open dimensions.
        rng: The generator of the random numbers.
    """
    sizes: dict[str, int] = {}
    for spec in specs:
        for axis, dimension in enumerate(spec.shape):
            if isinstance(dimension, str):
                sizes.setdefault(dimension, others if axis else first)
    feed = {}
    for spec in specs:
        shape = [
            dimension if isinstance(dimension, int) else sizes.get(dimension or "", others if axis else first)
            for axis, dimension in enumerate(spec.shape)
        ]
        feed[spec.name] = _random_array(spec, shape, rng)
    return feed


def _random_array(spec: InputSpec, shape: list[int], rng: np.random.Generator) -> np.ndarray:
    if spec.dtype.kind == "O":
        return np.full(shape, "a", dtype=object)
    if spec.dtype.kind == "b":
        return rng.random(shape) < 0.5
    if spec.limit is not None:
        return rng.integers(0, max(1, spec.limit), shape).astype(spec.dtype)
    if spec.dtype == np.uint8:  # an image
        return rng.integers(0, 256, shape).astype(spec.dtype)
    if spec.dtype.kind in "iu":  # a mask, a length, a switch
        return np.ones(shape, spec.dtype)
    return rng.standard_normal(shape).astype(spec.dtype)


def _spec(value: ir.Value, where: str) -> InputSpec:
    if not isinstance(value.type, ir.TensorType) or value.shape is None:
        raise ModelError(f"{where}: input {value.name}: expected a tensor of known rank, got {value.type}")
    dtype = np.dtype(object) if value.dtype is ir.DataType.STRING else np.dtype(value.type.dtype.numpy())
    shape = tuple(dim if isinstance(dim, int) else dim.value for dim in value.shape)
    return InputSpec(value.name or "", dtype, shape, min(_limits(value), default=None))


def _limits(value: ir.Value) -> Iterator[int]:
    """Yield the sizes of the tables that a value indexes, and the depths of the one-hot codes that it chooses."""
    for node, index in value.uses():
        if node.op_type in PASSING | CUTTING and index == 0:
            for output in node.outputs:
                yield from _limits(output)
        elif node.op_type == "Gather" and index == 1:
            table = ir.convenience.get_const_tensor(node.inputs[0]) if node.inputs[0] else None
            if table is not None:
                yield int(table.shape.numpy()[node.attributes.get_int("axis", 0)])
        elif node.op_type == "SparseQuantGather" and node.domain == DOMAIN and index == len(node.inputs) - 1:
            yield from _constant(node.inputs[6], node.attributes.get_int("axis", 0))
        elif node.op_type == "OneHot" and index == 0:
            yield from _constant(node.inputs[1], 0)


def _constant(value: ir.Value | None, index: int) -> Iterator[int]:
    """Yield element ``index`` of a constant, if it is one."""
    tensor = ir.convenience.get_const_tensor(value) if value is not None else None
    if tensor is not None:
        yield int(tensor.numpy().reshape(-1)[index])
