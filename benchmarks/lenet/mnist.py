"""MNIST, and the parts of it that training, choosing an epoch and measuring take."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from common.program import need_files

HELD_OUT: Final = 12  # one in so many training images: 5,000 of the 60,000
INPUT: Final = "image"  # float32 [items, 1, 28, 28], pixels 0..1
LABELS: Final = "labels"


@dataclass(frozen=True)
class Split:
    """Part of a data set.

    Attributes:
        images: float32 ``[items, 1, 28, 28]`` of pixels 0..1.
        labels: int64 ``[items]``.
    """

    images: np.ndarray
    labels: np.ndarray

    def save(self, path: Path) -> None:
        """Write images and labels where ``onnxdc finetune`` reads them."""
        np.savez(path, **{INPUT: self.images, LABELS: self.labels})  # type: ignore[arg-type]


@dataclass(frozen=True)
class Mnist:
    """The images.

    Attributes:
        train: The images to train on.
        train_file: The same in a file.
        val_file: The file of the images that choose the epoch.
        test: All test images, which choose nothing.
    """

    train: Split
    train_file: Path
    val_file: Path
    test: Split


def read_mnist(source: Path, folder: Path) -> Mnist:
    """Read MNIST, and write the parts of it that ``onnxdc finetune`` reads.

    The last images of the training set are held out to choose the epoch.

    Args:
        source: mnist.npz or its folder: uint8 images ``x_train``, ``x_test`` and labels ``y_train``, ``y_test``.
        folder: Where the parts go.

    Raises:
        MissingError: There is no such file.
    """
    path = source if source.suffix == ".npz" else source / "mnist.npz"
    need_files([path])
    with np.load(path) as arrays:
        whole, test = (
            Split(arrays[f"x_{part}"][:, None].astype(np.float32) / 255, arrays[f"y_{part}"].astype(np.int64))
            for part in ("train", "test")
        )
    kept = len(whole.labels) - len(whole.labels) // HELD_OUT
    train = Split(whole.images[:kept], whole.labels[:kept])
    data = Mnist(train, folder / "train.npz", folder / "validation.npz", test)
    folder.mkdir(parents=True, exist_ok=True)
    train.save(data.train_file)
    Split(whole.images[kept:], whole.labels[kept:]).save(data.val_file)
    return data
