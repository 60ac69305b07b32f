"""Prune a model to 4 %, train it again in JAX, let its weights share eight values, train those, and encode.

    pip install jax optax scikit-learn
    python examples/finetune_jax.py [FOLDER]      # a quarter of a minute; keeps the files in FOLDER, if one is given

What is JAX here could be any framework: a training hook takes and gives numpy arrays. The model is LeNet-300-100 next
to this file, the data are scikit-learn's handwritten digits, split as in train.py.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import jax
import numpy as np
import optax

import onnxdc
from onnxdc import hooks
from train import split_images

HERE: Final = Path(__file__).parent
MODEL: Final = HERE / "lenet_300_100.onnx"
DENSITY: Final = 0.04
BITS: Final = 3
BATCH: Final = 32

Arrays = dict[str, np.ndarray]


def logits(weights: dict[str, jax.Array], images: jax.Array) -> jax.Array:
    """Run the network, with the weights under the names that they have in the ONNX file."""
    x = images.reshape(len(images), -1)
    for layer in ("fc1", "fc2", "fc3"):
        x = x @ weights[f"{layer}.weight"].T + weights[f"{layer}.bias"]
        x = x if layer == "fc3" else jax.nn.relu(x)
    return x


def loss(weights: dict[str, jax.Array], images: jax.Array, labels: jax.Array) -> jax.Array:
    """Return the cross-entropy of some images."""
    of_images: jax.Array = optax.softmax_cross_entropy_with_integer_labels(logits(weights, images), labels)
    return of_images.mean()


gradients = jax.jit(jax.grad(loss))


def train_weights(hook: hooks.TrainingHook, epochs: int, rate: float = 1e-3) -> Arrays:
    """Train the weights of a pruned model again; zeros stay zero."""
    weights = hook.values()
    optimizer = optax.adam(rate)
    state = optimizer.init(weights)
    for images, labels in batches(epochs):
        of_weights = hook.mask_gradients(as_numpy(gradients(weights, images, labels)))
        updates, state = optimizer.update(of_weights, state)
        weights = hook.project(as_numpy(optax.apply_updates(weights, updates)))
    return weights


def train_codebooks(hook: hooks.TrainingHook, epochs: int, rate: float = 3e-4) -> Arrays:
    """Train a shared model, its codebooks and its biases, and return the weights."""
    codebooks = hook.codebooks()
    biases = {name: array for name, array in hook.values().items() if name not in codebooks}
    parameters = (codebooks, biases)
    optimizer = optax.adam(rate)
    state = optimizer.init(parameters)
    for images, labels in batches(epochs):
        of_weights = as_numpy(gradients(hook.expand(parameters[0]) | parameters[1], images, labels))
        of_parameters = (hook.centroid_gradients(of_weights), {name: of_weights[name] for name in biases})
        updates, state = optimizer.update(of_parameters, state)
        parameters = jax.tree.map(np.asarray, optax.apply_updates(parameters, updates))
    return hook.expand(parameters[0]) | parameters[1]


def batches(epochs: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield batches of the training images, shuffled anew in each epoch."""
    images, labels = split_images()[0]
    rng = np.random.default_rng(0)
    for _ in range(epochs):
        order = rng.permutation(len(images))
        for start in range(0, len(order) - BATCH + 1, BATCH):
            chosen = order[start : start + BATCH]
            yield images[chosen], labels[chosen]


def as_numpy(arrays: dict[str, jax.Array]) -> Arrays:
    """Return what JAX computed as numpy arrays."""
    return {name: np.asarray(array) for name, array in arrays.items()}


def right(model: Path) -> float:
    """Return the share of the test digits that onnxruntime gets right with this file."""
    images, labels = split_images()[1]
    return float(np.mean(onnxdc.session(model).run(None, {"input": images})[0].argmax(1) == labels))


def train_again(model: Path, tuned: Path, train: Callable[[hooks.TrainingHook, int], Arrays], epochs: int) -> None:
    """Hand a model over, train it, take it back."""
    hook = hooks.export(model)
    hooks.import_(model, hook, train(hook, epochs)).save(tuned)


def main(folder: Path, epochs: int = 20) -> None:
    """Take the model through all stages, and print how good each is."""
    names = ("pruned", "pruned and trained", "shared", "shared and trained", "small")
    pruned, trained, shared, tuned, small = (folder / f"{name.replace(' ', '_')}.onnx" for name in names)
    onnxdc.prune(MODEL, density=DENSITY).save(pruned)
    train_again(pruned, trained, train_weights, epochs)
    onnxdc.share(trained, bits=BITS).save(shared)
    train_again(shared, tuned, train_codebooks, epochs)
    onnxdc.encode(tuned).save(small)
    for name, model in zip(("original", *names), (MODEL, pruned, trained, shared, tuned, small), strict=True):
        print(f"{name + ':':20} {right(model):.2%} of the digits are right, {model.stat().st_size:,} bytes")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory() as temporary:
            main(Path(temporary))
