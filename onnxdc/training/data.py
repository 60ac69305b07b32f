"""The data of a training: arrays named as the model's inputs, with labels next to them, held in memory."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import torch

from onnxdc.errors import TrainingError
from onnxdc.model_io.feeds import InputSpec, given_array, load_arrays
from onnxdc.training.losses import IGNORED

Arrays: TypeAlias = str | os.PathLike[str] | Mapping[str, np.ndarray]
"""Arrays by name, or the ``.npz`` file that holds them."""


@dataclass(frozen=True)
class Batch:
    """Some items.

    Attributes:
        inputs: The inputs of the model, in its order; the first axis of each counts the items.
        labels: int64 classes or float32 values, the first axis counting the items; None without labels.
        teacher: The teacher's outputs, the first axis counting the items; None without a teacher.
    """

    inputs: tuple[torch.Tensor, ...]
    labels: torch.Tensor | None = None
    teacher: torch.Tensor | None = None

    def __len__(self) -> int:
        return len(self.inputs[0])

    def to(self, device: torch.device) -> Batch:
        """Return the items on a device."""
        rest = (None if part is None else part.to(device) for part in (self.labels, self.teacher))
        return Batch(tuple(array.to(device) for array in self.inputs), *rest)

    def take(self, items: torch.Tensor) -> Batch:
        """Return the items with these numbers."""
        return Batch(
            tuple(array[items] for array in self.inputs),
            None if self.labels is None else self.labels[items],
            None if self.teacher is None else self.teacher[items],
        )

    def parts(self, size: int) -> Iterator[Batch]:
        """Yield all items in their order, ``size`` at a time."""
        yield from (self.take(items) for items in torch.split(torch.arange(len(self)), size))


def name_of_data(data: Arrays) -> str:
    """Return what messages call the data."""
    return os.fspath(data) if isinstance(data, str | os.PathLike) else "data"


def load_data(data: Arrays, specs: Sequence[InputSpec], labels: str, loss: str, *, required: bool) -> Batch:
    """Read and check a data set.

    Args:
        data: An array for each input, and one with labels; others are ignored.
        specs: The inputs of the model.
        labels: The name of the labels.
        loss: The loss that labels are for: classes for ``"cross_entropy"``, from 0 to 1 for ``"bce"``.
        required: Whether there must be labels.

    Raises:
        ModelError: The file cannot be read, an array is missing, or has the wrong type or shape.
        TrainingError: There are no items, not equally many in all arrays, a NaN, or labels that are no classes.
    """
    where = name_of_data(data)
    arrays = load_arrays(data, labels if required else None) if not isinstance(data, Mapping) else data
    if required and labels not in arrays:
        raise TrainingError(f"{where}: no array {labels}, got {', '.join(arrays) or 'none'}")
    inputs = {spec.name: _checked_input(spec, arrays, where) for spec in specs}
    targets = _checked_labels(np.asarray(arrays[labels]), f"{where}: {labels}", loss) if labels in arrays else None
    lengths = {name: len(array) for name, array in inputs.items()} | ({} if targets is None else {labels: len(targets)})
    if len(set(lengths.values())) > 1:
        raise TrainingError(f"{where}: the arrays differ in their number of items: {_listed(lengths)}")
    if not next(iter(lengths.values())):
        raise TrainingError(f"{where}: expected items, got none")
    return Batch(tuple(map(_tensor, inputs.values())), None if targets is None else _tensor(targets))


def split(data: Batch, share: float) -> tuple[Batch, Batch]:
    """Cut data in two at random: for training, and the ``share`` for validation, at least one item.

    Raises:
        TrainingError: Nothing would be left to train on.
    """
    held_out = max(1, round(share * len(data)))
    if held_out >= len(data):
        raise TrainingError(f"{len(data)} items cannot be split into training and validation data")
    order = torch.randperm(len(data))
    return data.take(order[held_out:].sort().values), data.take(order[:held_out].sort().values)


def check_labels(labels: torch.Tensor, outputs: torch.Tensor, where: str, loss: str) -> None:
    """Hold labels against what the model answers to a first batch.

    Args:
        labels: The labels of all items.
        outputs: The outputs for some items: ``[items, classes, ...]``, or of the shape of the labels.
        where: What messages call the labels.
        loss: The loss, see ``load_data``.

    Raises:
        TrainingError: A label is neither a class of the model nor -100, all are -100, or the shapes do not fit.
    """
    classes = loss == "cross_entropy"
    expected = tuple(outputs.shape[2 if classes else 1 :])
    if tuple(labels.shape[1:]) != expected:
        raise TrainingError(f"{where}: expected shape {_shape(expected)}, got {_shape(labels.shape[1:])}")
    if not classes:
        return
    counting = labels[labels != IGNORED]
    if not len(counting):
        raise TrainingError(f"{where}: expected classes, got {IGNORED} alone, which stands for what does not count")
    if not 0 <= int(counting.min()) <= int(counting.max()) < outputs.shape[1]:
        got = f"{int(counting.min())} to {int(counting.max())}"
        raise TrainingError(f"{where}: expected labels from 0 to {outputs.shape[1] - 1}, got {got}")


def data_digest(data: Batch) -> str:
    """Return a digest of the data, the same for the same values in the same order."""
    hasher = hashlib.blake2b(digest_size=16)
    for tensor in (*data.inputs, *(() if data.labels is None else (data.labels,))):
        hasher.update(str(tuple(tensor.shape)).encode())
        hasher.update(tensor.contiguous().view(torch.uint8).numpy().data if tensor.ndim else b"")
    return hasher.hexdigest()


def _checked_input(spec: InputSpec, arrays: Mapping[str, np.ndarray], where: str) -> np.ndarray:
    if not spec.shape:
        raise TrainingError(f"{where}: input {spec.name}: expected an axis that counts items, the model has a scalar")
    array = given_array(spec, arrays, where, lists=False)
    _require_finite(array, f"{where}: input {spec.name}")
    if spec.limit is not None and array.size and not 0 <= array.min() <= array.max() < spec.limit:
        got = f"{array.min()} to {array.max()}"
        raise TrainingError(f"{where}: input {spec.name}: expected values from 0 to {spec.limit - 1}, got {got}")
    return array


def _checked_labels(labels: np.ndarray, where: str, loss: str) -> np.ndarray:
    classes = loss == "cross_entropy"
    if classes and labels.dtype.kind not in "iu":
        raise TrainingError(f"{where}: expected integers, one class an item, got {labels.dtype}{list(labels.shape)}")
    if labels.dtype.kind not in "biuf" or not labels.ndim:
        raise TrainingError(f"{where}: expected a number for each output, got {labels.dtype}{list(labels.shape)}")
    _require_finite(labels, where)
    if loss == "bce" and labels.size and not 0 <= labels.min() <= labels.max() <= 1:
        raise TrainingError(f"{where}: expected values from 0 to 1, got {labels.min()} to {labels.max()}")
    return labels.astype(np.int64 if classes else np.float32, copy=False)


def _require_finite(array: np.ndarray, where: str) -> None:
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        item = int(np.argwhere(~np.isfinite(array))[0][0])
        raise TrainingError(f"{where}: NaN or infinite values, the first in item {item}")


def _tensor(array: np.ndarray) -> torch.Tensor:
    # A copy where the array cannot be written to, such as one of a file: torch would warn.
    return torch.from_numpy(np.require(array, requirements=["C", "W"]))


def _shape(sizes: Sequence[int]) -> str:
    return f"[items{''.join(f', {size}' for size in sizes)}]"


def _listed(lengths: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {length}" for name, length in lengths.items())
