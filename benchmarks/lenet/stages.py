"""The stages of the paper, on the command line of onnxdc."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Final

import numpy as np
from torch import manual_seed

import onnxdc
from lenet.compressed import STAGES, Compressed
from lenet.mnist import INPUT, LABELS, Mnist, Split
from lenet.networks import Epochs, Network
from lenet.reference import BATCH, export, make_network, train

RECIPES: Final = Path(__file__).with_name("recipes")
SEED: Final = 1
_AT_ONCE: Final = 1000  # images in a run of onnxruntime


def compress(network: Network, data: Mnist, folder: Path, epochs: Epochs, threads: int | None) -> Compressed:
    """Train a network, take it through the stages, and measure each file on the test images.

    Args:
        network: The network.
        data: What it learns.
        folder: Where the files go; those of an earlier run are replaced.
        epochs: How long to train.
        threads: How many onnxdc's training takes; None for as many as torch takes.
    """
    files = {stage: folder / f"{network.stem}_{stage}.onnx" for stage in STAGES}
    clustered = folder / f"{network.stem}_clustered.onnx"
    recipe = f"--recipe={RECIPES / network.stem}.toml"
    train_reference(network, data, files["reference"], epochs.reference)
    learn = [*teaching(files["reference"], threads), f"--shift={network.shift}"]
    schedule = ["--schedule=gradual", f"--ramp={network.ramp}", f"--settle={network.settle}"]
    schedule += ["--mask-interval=16", "--regrow"]
    finetune(files["reference"], files["pruned"], data, epochs.pruned, *learn, recipe, *schedule)
    onnxdc_command("share", files["pruned"], clustered, recipe)
    finetune(clustered, files["shared"], data, epochs.shared, *learn)
    onnxdc_command("encode", files["shared"], files["encoded"], recipe)
    return Compressed(network, files, {stage: error(file, data.test) for stage, file in files.items()})


def train_reference(network: Network, data: Mnist, path: Path, epochs: int) -> None:
    """Train the dense network and write it."""
    manual_seed(SEED)
    dense = make_network(network.architecture)
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


def teaching(reference: Path, threads: int | None) -> list[str]:
    """Return the options of ``onnxdc finetune`` with which the reference teaches, on so many threads."""
    options = [f"--teacher={reference}", "--distill-weight=1", "--temperature=2"]
    return options if threads is None else [*options, f"--threads={threads}"]


def finetune(model: Path, output: Path, data: Mnist, epochs: int, *options: str) -> None:
    """Run ``onnxdc finetune`` as all stages have it: one learning rate, one batch, the epoch chosen on held-out images.

    Raises:
        CalledProcessError: It failed.
    """
    output.with_name(f"{output.name}.checkpoint").unlink(missing_ok=True)  # of a run that was interrupted
    own = [f"--data={data.train_file}", f"--val={data.val_file}", f"--labels={LABELS}", f"--epochs={epochs}"]
    own += [f"--batch={BATCH}", "--lr=1e-3", f"--seed={SEED}"]
    onnxdc_command("finetune", model, output, *own, *options)


def onnxdc_command(verb: str, model: Path, output: Path, *options: str) -> None:
    """Run a command of onnxdc; what it prints goes to stderr.

    Raises:
        CalledProcessError: It failed.
    """
    command = [sys.executable, "-m", "onnxdc", verb, str(model), "-o", str(output), *options]
    print("$ onnxdc", *command[3:], file=sys.stderr, flush=True)
    subprocess.run(command, check=True, stdout=sys.stderr)


def error(model: Path, test: Split) -> float:
    """Return the percentage of the test images that a model gets wrong in onnxruntime with the native library."""
    session = onnxdc.session(model, native=True)
    parts = (test.images[start : start + _AT_ONCE] for start in range(0, len(test.images), _AT_ONCE))
    classes = np.concatenate([np.asarray(session.run(None, {INPUT: part})[0]).argmax(axis=1) for part in parts])
    return 100 * float(np.mean(classes != test.labels))
