"""The training hook: all that a training loop needs to keep a pruned and shared model pruned and shared."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from onnxdc.errors import HookError
from onnxdc.hooks import files
from onnxdc.hooks.grid import HookedGrid
from onnxdc.hooks.weight import HookedWeight


@dataclass(frozen=True)
class TrainingHook:
    """The trainable weights of a model, for any training loop that has numpy.

    A loop that optimises the weights themselves masks the gradients before each step and projects the weights after
    it. One that optimises the codebooks of shared weights, as the paper does, takes ``centroid_gradients`` and expands
    the codebooks into weights.

    Attributes:
        weights: What training may change, by name, in the order of the model: weights, and also biases, scales, shifts
            and running statistics.
        digest: The digest of the model that they are from, see ``reading.model_digest``.
    """

    weights: Mapping[str, HookedWeight]
    digest: str

    def values(self) -> dict[str, np.ndarray]:
        """Return the values that gradients train, as they are in the model: all but running statistics."""
        return {name: weight.values for name, weight in self.weights.items() if weight.stage != "statistic"}

    def codebooks(self) -> dict[str, np.ndarray]:
        """Return the codebooks ``[1 + n]`` of the shared weights; entry 0 is 0.0 and has to stay so."""
        return {name: weight.codebook for name, weight in self.weights.items() if weight.codebook is not None}

    def project(self, weights: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return the nearest weights that keep the rules: pruned elements are zero, clusters are at their means.

        Args:
            weights: Values by the names of the weights, each in its shape in ONNX's layout; not all need to be there.

        Raises:
            HookError: An unknown name, or a wrong shape.
        """
        return self._call_for_each(weights, HookedWeight.project)

    def mask_gradients(self, gradients: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return the gradients with zeros for pruned elements and running statistics.

        Arguments and errors are those of ``project``.
        """
        return self._call_for_each(gradients, HookedWeight.mask_gradient)

    def centroid_gradients(self, gradients: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return the gradients of the codebooks ``[1 + n]``: sums over the members (Han et al. 2016, section 3.3).

        Gradients of weights that are not shared are left out. Arguments and errors are those of ``project``.
        """
        shared = {name: gradient for name, gradient in gradients.items() if self._weight(name).codes is not None}
        return self._call_for_each(shared, HookedWeight.centroid_gradient)

    def expand(self, codebooks: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return the weights that trained codebooks ``[1 + n]`` stand for.

        Raises:
            HookError: An unknown name, a weight that is not shared, a wrong shape, or an entry 0 that is not 0.0.
        """
        for name, codebook in codebooks.items():
            check_codebook(self._weight(name), codebook)
        return {name: self.weights[name].expand(codebook) for name, codebook in codebooks.items()}

    def grids(self) -> dict[str, HookedGrid]:
        """Return where the weights on grids begin: their integers, their steps, and what their bits cost."""
        return {name: weight.grid for name, weight in self.weights.items() if weight.grid is not None}

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Write ``hook.json`` and ``hook.safetensors``; see ``docs/hook.md``.

        Raises:
            HookError: The folder cannot be written to.
        """
        files.save_hook(folder, self.weights, self.digest)

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> TrainingHook:
        """Read what ``save`` wrote.

        Raises:
            HookError: A file is missing, damaged, or of a later version.
        """
        return cls(*files.load_hook(folder))

    def _call_for_each(
        self, arrays: Mapping[str, np.ndarray], work: Callable[[HookedWeight, np.ndarray], np.ndarray]
    ) -> dict[str, np.ndarray]:
        for name, array in arrays.items():
            shape = self._weight(name).shape
            if np.shape(array) != shape:
                raise HookError(f"{name}: expected shape {list(shape)}, got {list(np.shape(array))}")
        return {name: work(self.weights[name], np.asarray(array)) for name, array in arrays.items()}

    def _weight(self, name: str) -> HookedWeight:
        if name not in self.weights:
            raise HookError(f"{name}: no such weight in the hook, expected one of {', '.join(self.weights)}")
        return self.weights[name]


def check_codebook(weight: HookedWeight, codebook: np.ndarray) -> None:
    """Raise HookError unless a codebook has the shape of the weight's own, and starts with 0.0."""
    if weight.codebook is None:
        raise HookError(f"{weight.name}: got a codebook, but the weight is {weight.stage}: expected its values")
    if codebook.shape != weight.codebook.shape:
        expected, got = list(weight.codebook.shape), list(codebook.shape)
        raise HookError(f"{weight.name}: expected a codebook of shape {expected}, got {got}")
    if codebook[0] != 0:
        raise HookError(
            f"{weight.name}: expected 0.0 as entry 0 of the codebook, which pruned elements have, got {codebook[0]:.6g}"
        )
