"""One weight of a training hook: its values, and what training must keep of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

import numpy as np

from onnxdc.errors import HookError
from onnxdc.graph.slots import Statistic
from onnxdc.hooks.grid import MOST_VALUES, HookedGrid, off_grid
from onnxdc.numeric.clusters import cluster_means, cluster_ranges, cluster_sums

LEAST_PRUNED: Final = 0.01
"""The share of zeros from which a weight counts as pruned: fewer come by chance, such as where float16 underflows."""

WeightStage = Literal["dense", "pruned", "shared", "grid"]
ConstantStage = Literal[WeightStage, "statistic"]

RULES: Final[dict[ConstantStage, str]] = {
    "dense": "any finite value",
    "pruned": "zero wherever the mask is 0",
    "shared": "zero where the code is 0; elements of equal code have equal values",
    "grid": f"whole multiples of a step, at most {MOST_VALUES} different ones besides zero; both may change",
    "statistic": "not trained by gradients; any finite value, of a variance none below zero",
}
"""What training must keep of a weight at each stage."""


@dataclass(frozen=True, eq=False)
class HookedWeight:
    """A constant of a model that training changes.

    Arrays that go in and come out have the weight's shape in ONNX's layout, unless something else is said.

    Attributes:
        name: The name of the constant in the model.
        values: The values in the model, of float16, bfloat16, float32 or float64.
        stage: ``"dense"`` (nothing is to be kept, as of biases), ``"pruned"``, ``"shared"`` or ``"grid"``; or
            ``"statistic"``, a running statistic of BatchNormalization, which moves with the batches, not by gradients.
        codes: The codes of a shared weight, unsigned integers: 0 for a pruned element, else an index into the codebook;
            None at any other stage.
        codebook: The codebook of a shared weight, ``[1 + n]``: entry 0 is 0.0. What were codebooks of groups follow one
            another. None at any other stage.
        op_type: The operator that uses the weight.
        layout: For each framework that is known, the permutation of axes that brings the weight into its layout.
        statistic: Which statistic it is, ``"mean"`` or ``"variance"``; None at any other stage.
        grid: The integers and the step of a weight at stage ``"grid"``, where it begins; None at any other stage.
    """

    name: str
    values: np.ndarray
    stage: ConstantStage
    codes: np.ndarray | None = None
    codebook: np.ndarray | None = None
    op_type: str = ""
    layout: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    statistic: Statistic | None = None
    grid: HookedGrid | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """Its shape."""
        return self.values.shape

    @property
    def dtype(self) -> np.dtype:
        """The type of its elements."""
        return self.values.dtype

    @property
    def is_free(self) -> bool:
        """Whether no mask and no codebook binds its elements: it is dense, or a statistic."""
        return self.stage in ("dense", "statistic")

    @property
    def mask(self) -> np.ndarray:
        """Which elements are kept, bool: all of a weight that is free, or on a grid, where zeros may come back."""
        if self.is_free or self.grid is not None:
            return np.ones(self.shape, bool)
        return np.asarray(self.values != 0 if self.codes is None else self.codes != 0)

    def project(self, values: np.ndarray) -> np.ndarray:
        """Return the nearest values (in the sum of squares) that keep the rule: masked, each cluster at its mean.

        Of a weight on a grid they are multiples of the hook's step.
        """
        if self.grid is not None:
            return self.grid.values(values.dtype, self.grid.nearest(values))
        if self.statistic == "variance":
            return np.asarray(np.maximum(values, np.zeros((), values.dtype)))
        if self.is_free:
            return values
        if self.codes is None:
            return np.where(self.mask, values, np.zeros((), values.dtype))
        means = cluster_means(values, self.codes, self.clusters)
        means[0] = 0.0
        return np.asarray(means.astype(values.dtype)[self.codes])

    def mask_gradient(self, gradient: np.ndarray) -> np.ndarray:
        """Return the gradient with zeros where the weight is pruned; all zeros for a statistic."""
        if self.stage in ("dense", "grid"):
            return gradient
        if self.stage == "statistic":
            return np.zeros_like(gradient)
        return np.where(self.mask, gradient, np.zeros((), gradient.dtype))

    def centroid_gradient(self, gradient: np.ndarray) -> np.ndarray:
        """Return the gradient of the codebook, ``[1 + n]`` of the same type: the sum over each cluster's members.

        Entry 0 is 0. Source: Han et al. 2016, section 3.3.

        Raises:
            HookError: The weight is not shared.
        """
        sums = cluster_sums(gradient, self._shared_codes(), self.clusters)
        sums[0] = 0.0
        return sums.astype(gradient.dtype)

    def expand(self, codebook: np.ndarray) -> np.ndarray:
        """Return the values that a trained codebook ``[1 + n]`` stands for.

        Raises:
            HookError: The weight is not shared.
        """
        return np.asarray(codebook[self._shared_codes()])

    def _shared_codes(self) -> np.ndarray:
        if self.codes is None:
            raise HookError(f"{self.name}: expected a shared weight, got a {self.stage} one: it has no codebook")
        return self.codes

    @property
    def clusters(self) -> int:
        """Entries of the codebook, entry 0 included; 0 of a weight that is not shared."""
        return 0 if self.codebook is None else self.codebook.size

    def violation(self, values: np.ndarray) -> str | None:
        """Say how values break the rule; None if they keep it."""
        if self.statistic == "variance" and (values < 0).any():
            return f"{np.count_nonzero(values < 0)} of {values.size} variances are negative, down to {values.min():.3g}"
        if self.is_free:
            return None
        if self.grid is not None:
            return off_grid(values)
        pruned = values[~self.mask]
        revived = pruned[pruned != 0].astype(np.float64)
        if revived.size:
            return f"{revived.size} of {pruned.size} pruned elements are not zero, by up to {np.abs(revived).max():.3g}"
        if self.codes is None:
            return None
        lowest, highest = cluster_ranges(values, self.codes, self.clusters)
        spread = np.where(lowest < highest, highest - lowest, 0.0)  # -inf of a cluster without members is no spread
        worst = int(spread.argmax())
        if spread[worst] == 0:
            return None
        return (
            f"{np.count_nonzero(spread)} of {self.clusters - 1} shared values differ within their clusters, "
            f"by up to {spread[worst]:.3g} (code {worst}: from {lowest[worst]:.6g} to {highest[worst]:.6g})"
        )
