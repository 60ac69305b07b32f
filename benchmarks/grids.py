"""How small trained models get when they are trained on for the bytes of their files.

Usage: python benchmarks/grids.py [FOLDER] [--only MODEL ...] [--rows SIZE ...] [--seed N] [--threads N] [--quick]

FOLDER holds the data (default: the environment variable ONNXDC_DATA): mnist.npz, the ResNets for CIFAR-10 with 5,000
training images and all test images. The LeNets are trained with plain PyTorch first, as ``paper.py`` does. What
follows is onnxdc on the command line, whose commands are printed to stderr. The network itself is the teacher, and no
labels are used; the last epoch is taken, so that nothing is chosen. Each file is measured on all test images. Biases of
the LeNets, a twentieth of their parameters, take a byte each.

The columns of the table:
  size        what was asked for
  file        bytes, and those of the original over them
  parameters  the bytes of the original's initializers over those of the file
  wrong       percentage of test images, of the original and of the file
  must        what the percentage, or its rise, must not exceed, and whether it does

--quick trains for an epoch, at a rate and to no size, to see that all works. Exits with 1 if a figure that must hold
does not, or if something is missing.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import onnx
from onnx import numpy_helper

import onnxdc
from common.program import BUILD, add_data, choose, choose_matching, data_path, make_parser, need, need_files, run
from common.sessions import Feed
from common.trained import cifar10

COLUMNS: Final = {  # heading: alignment and width
    "model": "<14",
    "size": "<6",
    "file": ">8",
    "ratio": ">6",
    "parameters": ">10",
    "wrong": ">16",
    "must": "",
}


@dataclass(frozen=True)
class Case:
    """A model, and how it is trained.

    Attributes:
        options: The options of ``onnxdc finetune``.
        epochs: The number of epochs.
        limits: The sizes to reach -> the largest percentage of wrong answers, or the largest rise of it.
        rises: Whether the limits are rises.
        byte_biases: Whether biases take a byte each.
    """

    options: Sequence[str]
    epochs: int
    limits: dict[str, float]
    rises: bool
    byte_biases: bool = False


_CIFAR: Final = ("cifar10_train_5k.npz", "cifar10_test.npz")
_AT_ONCE: Final = 1000  # images in a run of onnxruntime
_DIGITS: Final = ("--batch=128", "--lr=3e-3")
_IMAGES: Final = ("--batch=64", "--shift=2", "--flip", "--precision=bf16")
CASES: Final = {
    "LeNet-300-100": Case(_DIGITS, 60, {"26500": 1.62, "17500": 1.80}, rises=False, byte_biases=True),
    "LeNet-5": Case((*_DIGITS, "--shift=1"), 36, {"19700": 0.65, "18200": 0.73}, rises=False, byte_biases=True),
    "resnet20": Case((*_IMAGES, "--lr=1e-3"), 8, {"11x": 0.6, "15x": 1.8}, rises=True),
    "resnet56": Case((*_IMAGES, "--lr=7e-4"), 5, {"13x": 0.2, "16x": 0.6, "20x": 1.2}, rises=True),
}


@dataclass(frozen=True)
class Data:
    """What a model is trained and measured on.

    Attributes:
        model: Its file.
        train: The file of the inputs to train on.
        feeds: The inputs of the test items.
        labels: The right answers, int64 ``[items]``.
    """

    model: Path
    train: Path
    feeds: Sequence[Feed]
    labels: np.ndarray

    def wrong(self, model: Path) -> float:
        """Return the percentage of test items that a model gets wrong in onnxruntime."""
        session = onnxdc.session(model, native=True)
        classes = np.concatenate([np.asarray(session.run(None, feed)[0]).argmax(axis=1) for feed in self.feeds])
        return 100 * float(np.mean(classes != self.labels))


def main() -> int:
    """Make the files, and print a line for each."""
    parser = make_parser(__doc__)
    add_data(parser)
    parser.add_argument("--only", nargs="+", metavar="MODEL", help="take these models")
    parser.add_argument("--rows", nargs="+", default=[], metavar="PATTERN", help="make these files, such as 13x")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="of training (%(default)s)")
    parser.add_argument("--threads", type=int, default=1, metavar="N", help="of training (%(default)s)")
    parser.add_argument("--quick", action="store_true", help="one epoch, to no size")
    parser.add_argument("--work", type=Path, default=BUILD / "grids", help="folder of the files (%(default)s)")
    arguments = parser.parse_args()
    need("torch", "PyTorch: pip install --editable '.[torch]'")
    folder = data_path(arguments.folder, "the folder of data: name it")
    names = choose(arguments.only, CASES, "models")
    known = dict.fromkeys(size for case in CASES.values() for size in case.limits)
    sizes = choose_matching(parser, arguments.rows, known)
    arguments.work.mkdir(parents=True, exist_ok=True)
    print(" ".join(f"{text:{width}}" for text, width in COLUMNS.items()), flush=True)
    held = True
    for name in names:
        data = read(name, folder, arguments.work, quick=arguments.quick)
        before = data.wrong(data.model)
        for size in (size for size in CASES[name].limits if size in sizes):
            own = ["--epochs=1", "--rate=1e-5"] if arguments.quick else [f"--epochs={CASES[name].epochs}"]
            own += [] if arguments.quick else [f"--target-size={size}"]
            own += [f"--seed={arguments.seed}", f"--threads={arguments.threads}"]
            small = make(name, data, size, own, arguments.work)
            wrong, limit = data.wrong(small), CASES[name].limits[size]
            holds = round(wrong - (before if CASES[name].rises else 0), 2) <= limit
            held = held and holds
            print(line(name, size, data.model, small, (before, wrong), holds=holds), flush=True)
    return int(not held)


def read(name: str, folder: Path, work: Path, *, quick: bool) -> Data:
    """Read the data of a model; a LeNet is trained."""
    if name.startswith("resnet"):
        model, train, test = (folder / file for file in (f"{name}_cifar10.onnx", *_CIFAR))
        need_files((model, train, test))
        images = np.concatenate([feed["input"] for feed in cifar10(train).feeds()])
        np.savez(work / "cifar10_train.npz", input=images)
        inputs = cifar10(test)
        return Data(model, work / "cifar10_train.npz", list(inputs.feeds()), np.asarray(inputs.labels))
    from lenet.mnist import INPUT, read_mnist  # which needs PyTorch
    from lenet.networks import NETWORKS
    from lenet.stages import train_reference

    network = next(network for network in NETWORKS if network.title == name)
    digits = read_mnist(folder, work)
    model = work / f"{network.stem}.onnx"
    train_reference(network, digits, model, (network.quick if quick else network.epochs).reference)
    np.savez(work / "mnist_train.npz", **{INPUT: digits.train.images})  # type: ignore[arg-type]
    parts = np.array_split(digits.test.images, max(1, len(digits.test.images) // _AT_ONCE))
    return Data(model, work / "mnist_train.npz", [{INPUT: part} for part in parts], digits.test.labels)


def make(name: str, data: Data, size: str, own: Sequence[str], work: Path) -> Path:
    """Train a model to a size, and return its encoded file."""
    from lenet.stages import onnxdc_command

    trained, small = (work / f"{name}_{size}{suffix}.onnx" for suffix in ("", "_encoded"))
    trained.with_name(f"{trained.name}.checkpoint").unlink(missing_ok=True)  # of a run that was interrupted
    options = [f"--data={data.train}", f"--teacher={data.model}", "--distill-weight=1", "--temperature=2"]
    options += ["--grid", *CASES[name].options, *own]
    if CASES[name].byte_biases:
        recipe = work / "byte_biases.toml"
        recipe.write_text('biases = "int8"\n', encoding="utf-8")
        options.append(f"--recipe={recipe}")
    onnxdc_command("finetune", data.model, trained, *options)
    onnxdc_command("encode", trained, small)
    return small


def line(name: str, size: str, original: Path, small: Path, wrong: tuple[float, float], *, holds: bool) -> str:
    """Return the line of a file."""
    nbytes, case = small.stat().st_size, CASES[name]
    parameters = sum(initializer_bytes(original)) / sum(initializer_bytes(small))
    must = f"{'+' if case.rises else ''}{case.limits[size]:.2f} {'reached' if holds else 'missed'}"
    cells = [
        *(name, size, f"{nbytes:,}", f"{original.stat().st_size / nbytes:.2f}", f"{parameters:.1f}"),
        *(f"{wrong[0]:.2f} -> {wrong[1]:.2f}", must),
    ]
    return " ".join(f"{cell:{width}}" for cell, width in zip(cells, COLUMNS.values(), strict=True))


def initializer_bytes(path: Path) -> Iterator[int]:
    """Yield the bytes of each initializer of a model."""
    return (numpy_helper.to_array(tensor).nbytes for tensor in onnx.load(path).graph.initializer)


if __name__ == "__main__":
    try:
        sys.exit(run(main))
    except subprocess.CalledProcessError as error:  # which has said why
        sys.exit(error.returncode)
