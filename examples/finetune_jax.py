"""Prune a model to 4 %, train it again in JAX, let its weights share eight values, train those, and encode.

Then the same model once more, in one training: on grids, at a price for each bit of the file.

    pip install jax optax scikit-learn
    python examples/finetune_jax.py [FOLDER]      # half a minute; keeps the files in FOLDER, if one is given

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
import jax.numpy as jnp
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
RATE: Final = 4e-6  # what a bit costs on grids, in units of the loss: about 1 over the number of weights
TABLES: Final = 16  # steps from one table of code lengths to the next

Arrays = dict[str, np.ndarray]
Parameters = tuple[Arrays, Arrays]  # latent weights with biases, and the logarithms of steps


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


def rounded(latent: jax.Array, step: jax.Array, largest: int) -> jax.Array:
    """Return the nearest multiples of a step; gradients pass the rounding straight through."""
    x = latent / step
    return step * (x + jax.lax.stop_gradient(jnp.clip(jnp.round(x), -largest, largest) - x))


def bits(latent: jax.Array, step: jax.Array, lengths: jax.Array) -> jax.Array:
    """Return the bits of the integers by a table of code lengths, linear between integers."""
    largest, x = len(lengths) // 2, latent / step
    lower = jax.lax.stop_gradient(jnp.clip(jnp.floor(x), -largest, largest - 1))
    index = lower.astype(int) + largest
    of_elements: jax.Array = lengths[index] + (x - lower) * (lengths[index + 1] - lengths[index])
    return of_elements.sum()


def price_and_loss(
    parameters: Parameters, tables: Arrays, rate: float, images: jax.Array, labels: jax.Array
) -> jax.Array:
    """Return the loss of some images, and what the bits of the weights on grids cost."""
    latent = {name: jnp.asarray(array) for name, array in parameters[0].items()}
    steps = {name: jnp.exp(log_step) for name, log_step in parameters[1].items()}
    on_grids = {name: rounded(latent[name], step, len(tables[name]) // 2) for name, step in steps.items()}
    price = jnp.zeros(())
    for name, step in steps.items():
        price += bits(latent[name], step, jnp.asarray(tables[name]))
    return loss(latent | on_grids, images, labels) + rate * price


grid_gradients = jax.jit(jax.grad(price_and_loss))


def train_grids(hook: hooks.TrainingHook, epochs: int, rate: float = 1e-3) -> Arrays:
    """Train weights on grids, their steps and the biases; return integers and steps. The price rises for half of it."""
    grids = hook.grids()
    parameters = (hook.values(), {name: np.log(grid.step) for name, grid in grids.items()})
    total = sum(1 for _ in batches(epochs))
    optimizer = optax.adam(optax.cosine_decay_schedule(rate, total))
    state = optimizer.init(parameters)
    for number, (images, labels) in enumerate(batches(epochs)):
        if number % TABLES == 0:
            tables = {name: grid.lengths(integers_of(grid, name, parameters)) for name, grid in grids.items()}
        price = RATE * min(1.0, 2 * number / total)
        updates, state = optimizer.update(grid_gradients(parameters, tables, price, images, labels), state)
        parameters = jax.tree.map(np.asarray, optax.apply_updates(parameters, updates))
    trained = {name: array for name, array in parameters[0].items() if name not in grids}
    for name, grid in grids.items():
        trained[f"{name}.codes"] = integers_of(grid, name, parameters)
        trained[f"{name}.step"] = np.exp(parameters[1][name])
    return trained


def integers_of(grid: hooks.HookedGrid, name: str, parameters: Parameters) -> np.ndarray:
    """Return the integers of a weight as they are."""
    return grid.nearest(parameters[0][name], np.exp(parameters[1][name]))


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


def train_again(
    model: Path,
    tuned: Path,
    train: Callable[[hooks.TrainingHook, int], Arrays],
    epochs: int,
    stage: hooks.WeightStage | None = None,
) -> None:
    """Hand a model over, train it, take it back."""
    hook = hooks.export(model, stage=stage)
    hooks.import_(model, hook, train(hook, epochs)).save(tuned)


def main(folder: Path, epochs: int = 20) -> None:
    """Take the model through all stages, and print how good each is."""
    folder.mkdir(parents=True, exist_ok=True)
    names = ("pruned", "pruned and trained", "shared", "shared and trained", "small", "on grids", "small by grids")
    files = [folder / f"{name.replace(' ', '_')}.onnx" for name in names]
    pruned, trained, shared, tuned, small, on_grids, smaller = files
    onnxdc.prune(MODEL, density=DENSITY).save(pruned)
    train_again(pruned, trained, train_weights, epochs)
    onnxdc.share(trained, bits=BITS).save(shared)
    train_again(shared, tuned, train_codebooks, epochs)
    onnxdc.encode(tuned).save(small)
    train_again(MODEL, on_grids, train_grids, epochs, stage="grid")
    onnxdc.encode(on_grids).save(smaller)
    for name, model in zip(("original", *names), (MODEL, *files), strict=True):
        print(f"{name + ':':20} {right(model):.2%} of the digits are right, {model.stat().st_size:,} bytes")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory() as temporary:
            main(Path(temporary))
