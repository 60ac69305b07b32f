"""A small classifier and data for it, for the tests of training."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx_ir as ir

import onnxdc as library
from onnxdc.numeric.arrays import bit_patterns
from tests.helpers.small_models import constants, onnxdc, saved
from tests.helpers.text_models import build, normal

FEATURES, HIDDEN, CLASSES = 16, 32, 8

_LAYERS = "h = Gemm(x, fc1, b1)  a = Relu(h)"


def classifier(ending: str = "y = Gemm(a, fc2, b2)", **arrays: np.ndarray) -> ir.Model:
    """Build two fully connected layers, 512 weights in fc1, 256 in fc2; ``ending`` makes y of a and more ``arrays``."""
    return build(
        f"classifier (float[N, {FEATURES}] x) => (float[N, {CLASSES}] y) {{ {_LAYERS} {ending} }}",
        fc1=normal(FEATURES, HIDDEN, seed=1) / 4,
        b1=np.zeros(HIDDEN, np.float32),
        fc2=normal(HIDDEN, CLASSES, seed=2) / 6,
        b2=np.zeros(CLASSES, np.float32),
        **arrays,
    )


def items(count: int = 200, seed: int = 0) -> dict[str, np.ndarray]:
    """Draw points around a centre for each class, of which a few lie nearer to another one."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, CLASSES, count)
    centres = normal(CLASSES, FEATURES, seed=7)
    return {"x": (centres[labels] + rng.normal(0, 0.8, (count, FEATURES))).astype(np.float32), "labels": labels}


def saved_items(path: Path, **arrays: np.ndarray) -> Path:
    """Write arrays to a path, and return it."""
    np.savez(path, **arrays)
    return path


def saved_classifier(folder: Path) -> Path:
    """Write the classifier to a file."""
    return saved(classifier(), folder / "classifier.onnx")


def file_of(result: object, path: Path) -> bytes:
    """Return what a result of training writes."""
    result.save(path)
    return path.read_bytes()


def accuracy(model: ir.Model, data: dict[str, np.ndarray]) -> float:
    """Return the share of right answers, by numpy alone."""
    weights = constants(model)
    hidden = np.maximum(data["x"] @ weights["fc1"] + weights["b1"], 0)
    return float(np.mean((hidden @ weights["fc2"] + weights["b2"]).argmax(1) == data["labels"]))


GOOD = items(64)
DATA, HELD_OUT = items(), items(seed=1)
OPTIONS = {"epochs": 4, "batch": 32, "lr": 0.01, "threads": 1}


def tuned(model: ir.Model, **options: object):
    """Train a model on ``DATA``, unless other data are given, and measure it on ``HELD_OUT``."""
    return library.finetune(model, options.pop("data", DATA), options.pop("val", HELD_OUT), **(OPTIONS | options))


def pruned_classifier(density: float = 0.3) -> ir.Model:
    """Build the classifier with few of its weights."""
    return library.prune(classifier(), density=density).model


def shared_classifier(bits: int = 3) -> ir.Model:
    """Build the classifier with few values in few weights."""
    return library.share(pruned_classifier(), bits=bits).model


def nonzeros(model: ir.Model) -> dict[str, int]:
    """Count the elements that are not +0.0."""
    return {name: int(np.count_nonzero(bit_patterns(array))) for name, array in constants(model).items()}


def finetune(model: Path, data: Path, *options: object, epochs: int = 2):
    output = model.with_name("tuned.onnx")
    return onnxdc("finetune", model, "--data", data, "-o", output, "--epochs", epochs, "--threads", 1, *options)


def error(result, code: int = 1) -> str:
    """Return the one line of an error."""
    assert result.exit_code == code, result.output
    lines = [line for line in result.stderr.splitlines() if not line.startswith("epoch ")]
    assert len(lines) == 1, result.stderr
    assert not result.stdout
    return lines[0].removeprefix("onnxdc: error: ")


def nothing_is_left(model: Path) -> bool:
    """Tell whether there is no output, no checkpoint and no temporary file."""
    return sorted(path.suffix for path in model.parent.iterdir() if path != model) == [".npz"]


def error_of_usage(result) -> str:
    assert result.exit_code == 2
    return result.stderr.splitlines()[-1].removeprefix("Error: ")
