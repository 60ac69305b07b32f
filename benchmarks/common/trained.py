"""The trained models that benchmarks run, and their inputs, from a folder that the repository does not hold."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Final

import numpy as np

from common.program import need
from common.sessions import Feed

CIFAR_IMAGES: Final = 2000  # of the 10,000
_BATCH: Final = 50  # images in a run
ZOO: Final = ("silero_vad", "dtln_model_1", "gtcrn", "ultraface_rfb_320")
_VOCABULARY: Final = 30522  # of MiniLM


@dataclass(frozen=True)
class Inputs:
    """What to feed a model.

    Attributes:
        feeds: What yields all the inputs, each time it is called.
        single: One item, for measuring time.
        labels: The right class of each item of all feeds, by the first output; None where there is none.
    """

    feeds: Callable[[], Iterator[Feed]]
    single: Feed
    labels: np.ndarray | None = None


@dataclass(frozen=True)
class TrainedModel:
    """One model.

    Attributes:
        name: Its name.
        file: Its file.
        data: The file with its inputs, None if they are made up.
        load: What reads the inputs.
        encode_only: Whether the model has been pruned and shared already.
        max_bytes: What the encoded file must stay below, None if any size will do.
    """

    name: str
    file: Path
    data: Path | None
    load: Callable[[], Inputs] = field(repr=False)
    encode_only: bool = False
    max_bytes: int | None = None

    @property
    def files(self) -> list[Path]:
        """The files that it takes."""
        return [path for path in (self.file, self.data) if path is not None]


def trained_models(folder: Path, minilm: Path | None = None) -> dict[str, TrainedModel]:
    """Return all models, by their names, in the order of the table.

    Args:
        folder: The folder of the data.
        minilm: The file of all-MiniLM-L6-v2, ``minilm.onnx`` in the folder if None.
    """
    images, cifar, magika = (folder / f"{name}.npz" for name in ("imagenet_sample_1000", "cifar10_test", "magika_test"))
    squeezenet = partial(imagenet, images)
    rows = [
        TrainedModel("squeezenet_han", folder / "squeezenet_v10_han_dc.onnx", images, squeezenet, True, 570_000),
        TrainedModel("squeezenet", folder / "squeezenet_v10_dense.onnx", images, squeezenet),
        TrainedModel("minilm", minilm or folder / "minilm.onnx", None, _minilm),
        *(
            TrainedModel(name, folder / f"{name}_cifar10.onnx", cifar, partial(cifar10, cifar, CIFAR_IMAGES))
            for name in ("resnet20", "resnet56")
        ),
        *(
            TrainedModel(name, folder / "zoo" / f"{name}.onnx", folder / "zoo_inputs.npz", partial(_zoo, folder, name))
            for name in ZOO
        ),
        TrainedModel("magika", folder / "zoo" / "magika_standard_v3_3.onnx", magika, partial(_magika, magika)),
    ]
    return {model.name: model for model in rows}


def imagenet(path: Path) -> Inputs:
    """Read 1000 images of ImageNet, cropped to 227x227: BGR, 0..255 minus the channels' means, as Caffe has it."""
    images, labels = _decode_images(path)
    crop = images[:, 14:241, 14:241, ::-1]
    return _image_inputs("data", crop, labels, np.array([104, 117, 123], np.float32), np.ones(3, np.float32))


def cifar10(path: Path, count: int | None = None) -> Inputs:
    """Read images of CIFAR-10, all or the first: RGB, 0..1, standardised by the channels' means and deviations."""
    images, labels = _decode_images(path, count)
    mean, deviation = np.array([[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]], np.float32) * 255
    return _image_inputs("input", images, labels, mean, deviation)


def _decode_images(path: Path, count: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Read all images or the first, uint8 ``[count, height, width, RGB]``, and their labels, int64 ``[count]``."""
    need("PIL", f"pillow, which decodes the images of {path.name}: pip install pillow")
    from PIL import Image

    with np.load(path) as arrays:
        jpeg, offsets, labels = arrays["jpeg"].tobytes(), arrays["offsets"], arrays["labels"][:count]
    bounds = pairwise(offsets[: len(labels) + 1])
    images = [np.asarray(Image.open(io.BytesIO(jpeg[start:stop])).convert("RGB")) for start, stop in bounds]
    return np.stack(images), labels


def _image_inputs(name: str, images: np.ndarray, labels: np.ndarray, mean: np.ndarray, deviation: np.ndarray) -> Inputs:
    """Make feeds of standardised images, float32 ``[batch, channels, height, width]``."""

    def feed(batch: np.ndarray) -> Feed:
        standardised = (batch.astype(np.float32) - mean) / deviation
        return {name: np.ascontiguousarray(standardised.transpose(0, 3, 1, 2))}

    def feeds() -> Iterator[Feed]:
        return (feed(images[start : start + _BATCH]) for start in range(0, len(images), _BATCH))

    return Inputs(feeds, feed(images[:1]), labels)


def _minilm() -> Inputs:
    """Make up 32 sentences of 1 to 64 tokens, padded to 64, 8 in a run."""
    rng = np.random.default_rng(0)
    tokens = rng.integers(1000, _VOCABULARY, (32, 64))
    mask = (np.arange(64) < rng.integers(1, 65, (32, 1))).astype(np.int64)
    whole = {"input_ids": tokens * mask, "attention_mask": mask}

    def part(start: int, stop: int) -> Feed:
        return {name: array[start:stop] for name, array in whole.items()}

    single = {"input_ids": tokens[:1], "attention_mask": np.ones((1, 64), np.int64)}
    return Inputs(lambda: (part(start, start + 8) for start in range(0, 32, 8)), single)


def _zoo(folder: Path, model: str) -> Inputs:
    """Read real inputs; the first axis of each array counts the items."""
    with np.load(folder / "zoo_inputs.npz") as arrays:
        prefix = f"{model}__"
        whole = {key.removeprefix(prefix): arrays[key] for key in arrays.files if key.startswith(prefix)}

    def item(index: int) -> Feed:
        return {name: np.asarray(array[index]) for name, array in whole.items()}

    count = len(next(iter(whole.values())))
    return Inputs(lambda: map(item, range(count)), item(0))


def _magika(path: Path) -> Inputs:
    """Read the beginnings and ends of 152 files, each of a known type."""
    with np.load(path) as arrays:
        content, labels = arrays["bytes"].astype(np.int32), arrays["labels"]
    return Inputs(lambda: iter([{"bytes": content}]), {"bytes": content[:1]}, labels)
