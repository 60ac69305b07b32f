"""The three stages of the paper, on the command line of onnxdc, and what they make of a network."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Final

import numpy as np
import onnx
from data import Split
from onnx import numpy_helper
from paper_models import BATCH, INPUT, LABELS, export, lenet_5, lenet_300_100, train
from torch import manual_seed, nn

import onnxdc
from onnxdc.domain.operators import DOMAIN

RECIPES: Final = Path(__file__).parent / "recipes"
STAGES: Final = ("reference", "pruned", "shared", "encoded")
GROUP: Final = ("codebook", "code_lengths", "codes", "gap_lengths", "gaps", "chunks", "shape")  # docs/format.md
SEED: Final = 1
_AT_ONCE: Final = 1000  # images in a run of onnxruntime


@dataclass(frozen=True)
class Epochs:
    """How long to train: the reference, while weights are pruned, and after they are shared."""

    reference: int
    pruned: int
    shared: int


@dataclass(frozen=True)
class Network:
    """A network of the paper, and how it is compressed.

    Attributes:
        name: as the paper has it.
        stem: of its files.
        make: the untrained network.
        epochs: of the full run.
        quick: of the quick one.
        ramp: the share of the training in which the density falls.
        settle: the share of it, at the end, in which masks stay. Long where an epoch is worth much.
        shift: pixels by which training images are moved at random, for the reference as for the compressed network.
        lr, weight_decay: of the reference.
        milder: whether it is a second recipe for the network, which keeps more.
    """

    name: str
    stem: str
    make: Callable[[], nn.Sequential]
    epochs: Epochs
    quick: Epochs
    ramp: float
    settle: float
    shift: int = 0
    lr: float = 1e-3
    weight_decay: float = 1e-2
    milder: bool = False

    @property
    def title(self) -> str:
        """What to call it."""
        return f"{self.name}, milder" if self.milder else self.name


_LENET_300_100: Final = Network(
    "LeNet-300-100", "lenet_300_100", lenet_300_100, Epochs(20, 60, 20), Epochs(3, 6, 1), ramp=0.5, settle=0.25
)
NETWORKS: Final = (
    _LENET_300_100,
    replace(_LENET_300_100, stem="lenet_300_100_milder", lr=2e-3, weight_decay=0.1, milder=True),
    Network("LeNet-5", "lenet_5", lenet_5, Epochs(12, 36, 6), Epochs(2, 3, 1), ramp=0.4, settle=0.5, shift=1),
)


@dataclass(frozen=True)
class Data:
    """The images: files to train on and to choose the epoch by, and all test images, which choose nothing."""

    train: Split
    train_file: Path
    val_file: Path
    test: Split


@dataclass(frozen=True)
class Layer:
    """One weight of the encoded network.

    Attributes:
        row: as ``onnxdc.inspect`` has it.
        code_bits: after Huffman coding, a nonzero or filler zero.
        gap_bits: likewise; 0 where no gaps are stored.
    """

    row: onnxdc.WeightRow
    code_bits: float
    gap_bits: float


@dataclass(frozen=True)
class Compressed:
    """A network after each stage.

    Attributes:
        network: which.
        files: by stage.
        errors: by stage: percent of the test images.
        seconds: that all of it took.
    """

    network: Network
    files: dict[str, Path]
    errors: dict[str, float]
    seconds: float

    @cached_property
    def layers(self) -> list[Layer]:
        """The weights of the encoded file, in its order."""
        streams = stream_bytes(onnx.load(self.files["encoded"]))
        rows = onnxdc.inspect(self.files["encoded"], min_elements=1).rows
        return [Layer(row, *(8 * count / row.entries for count in streams[row.name])) for row in rows]

    @property
    def dense_bytes(self) -> int:
        """Of all parameters, biases included."""
        return initializer_bytes(self.files["reference"])

    @property
    def encoded_bytes(self) -> int:
        """Of all tensors that they are rebuilt from: seven for each weight (``GROUP``), and the biases as they are."""
        return initializer_bytes(self.files["encoded"])

    @property
    def ratio(self) -> float:
        """Of the parameters."""
        return self.dense_bytes / self.encoded_bytes

    @property
    def file_ratio(self) -> float:
        """Of the whole files."""
        return self.files["reference"].stat().st_size / self.files["encoded"].stat().st_size


def compress(network: Network, data: Data, folder: Path, epochs: Epochs, threads: int | None) -> Compressed:
    """Train a network, take it through the stages, and measure each file on the test images.

    Args:
        network: which.
        data: MNIST.
        folder: where the files go; those of an earlier run are replaced.
        epochs: how long to train.
        threads: of onnxdc's training; None for as many as torch takes.
    """
    start = time.monotonic()
    files = {stage: folder / f"{network.stem}_{stage}.onnx" for stage in STAGES}
    clustered = folder / f"{network.stem}_clustered.onnx"
    recipe = f"--recipe={RECIPES / network.stem}.toml"
    train_reference(network, data, files["reference"], epochs.reference)
    learn = [f"--teacher={files['reference']}", "--distill-weight=1", "--temperature=2", f"--shift={network.shift}"]
    learn += [] if threads is None else [f"--threads={threads}"]
    schedule = ["--schedule=gradual", f"--ramp={network.ramp}", f"--settle={network.settle}"]
    schedule += ["--mask-interval=16", "--regrow"]
    finetune(files["reference"], files["pruned"], data, epochs.pruned, *learn, recipe, *schedule)
    onnxdc_command("share", files["pruned"], clustered, recipe)
    finetune(clustered, files["shared"], data, epochs.shared, *learn)
    onnxdc_command("encode", files["shared"], files["encoded"], recipe)
    errors = {stage: error(file, data.test) for stage, file in files.items()}
    return Compressed(network, files, errors, time.monotonic() - start)


def train_reference(network: Network, data: Data, path: Path, epochs: int) -> None:
    """Train the dense network and write it."""
    manual_seed(SEED)
    dense = network.make()
    train(
        dense,
        data.train,
        epochs,
        lr=network.lr,
        weight_decay=network.weight_decay,
        shift=network.shift,
        seed=SEED,
    )
    export(dense, path)


def finetune(model: Path, output: Path, data: Data, epochs: int, *options: str) -> None:
    """``onnxdc finetune`` as all stages have it: one learning rate, one batch, the epoch chosen on held-out images."""
    output.with_name(f"{output.name}.checkpoint").unlink(missing_ok=True)  # of a run that was interrupted
    own = [f"--data={data.train_file}", f"--val={data.val_file}", f"--labels={LABELS}", f"--epochs={epochs}"]
    own += [f"--batch={BATCH}", "--lr=1e-3", f"--seed={SEED}"]
    onnxdc_command("finetune", model, output, *own, *options)


def onnxdc_command(verb: str, model: Path, output: Path, *options: str) -> None:
    """Run a command of onnxdc; what it prints goes to stderr.

    Raises:
        CalledProcessError: it failed.
    """
    command = [sys.executable, "-m", "onnxdc", verb, str(model), "-o", str(output), *options]
    print("$ onnxdc", *command[3:], file=sys.stderr, flush=True)
    subprocess.run(command, check=True, stdout=sys.stderr)


def error(model: Path, test: Split) -> float:
    """Percent of the test images that a model gets wrong in onnxruntime with the native library."""
    session = onnxdc.session(model, native=True)
    parts = (test.images[start : start + _AT_ONCE] for start in range(0, len(test.images), _AT_ONCE))
    classes = np.concatenate([session.run(None, {INPUT: part})[0].argmax(axis=1) for part in parts])
    return 100 * float(np.mean(classes != test.labels))


def initializer_bytes(path: Path) -> int:
    """Bytes of the data of all initializers of a file."""
    return sum(numpy_helper.to_array(tensor).nbytes for tensor in onnx.load(path).graph.initializer)


def stream_bytes(model: onnx.ModelProto) -> dict[str, tuple[int, int]]:
    """Bytes of the codes and of the gaps of each compressed weight, by the weight's name."""
    sizes = {tensor.name: numpy_helper.to_array(tensor).nbytes for tensor in model.graph.initializer}
    found = {}
    for node in model.graph.node:
        group = [name for name in node.input if name.endswith(".codebook")] if node.domain == DOMAIN else []
        for codebook in group:
            tensors = dict(zip(GROUP, list(node.input)[list(node.input).index(codebook) :], strict=False))
            found[codebook.removesuffix(".codebook")] = sizes[tensors["codes"]], sizes[tensors["gaps"]]
    return found
