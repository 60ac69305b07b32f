"""The work on one weight: a function of arrays, which another process can do."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from onnxdc.calibration.layers import Layer
from onnxdc.calibration.statistics import Inputs
from onnxdc.errors import WeightError
from onnxdc.numeric.calibrated.error import mean_change, output_error
from onnxdc.numeric.calibrated.int8 import LEAST_ON_GRID, Form, round_to_int8
from onnxdc.numeric.calibrated.pruning import prune
from onnxdc.numeric.calibrated.rounding import round_alone, round_with_feedback
from onnxdc.numeric.calibrated.steps import MAX_NONZERO
from onnxdc.numeric.calibrated.zeros import saliency
from onnxdc.numeric.grids import element_grid


@dataclass(frozen=True)
class BiasValues:
    """The values of a layer's bias, and what the constant part of the error is multiplied with to go there."""

    array: np.ndarray
    scale: float


@dataclass(frozen=True, kw_only=True)
class Known:
    """All that is known of a weight but its values; it can be pickled.

    Attributes:
        layer: The layer that it is; None for a table, and for a weight of whose inputs nothing is known.
        inputs: What is known of its inputs; None without a layer.
        bias: Its bias; None if it has none.
    """

    layer: Layer | None = None
    inputs: Inputs | None = None
    bias: BiasValues | None = None

    @property
    def pivot(self) -> float:
        """The mean pivot; 1 for what is rounded without feedback."""
        return 1.0 if self.inputs is None else self.inputs.factor.pivot


@dataclass(frozen=True, kw_only=True)
class WeightTask(Known):
    """A weight, and all that is known of it.

    Attributes:
        array: The weight.
    """

    array: np.ndarray

    @classmethod
    def of(cls, array: np.ndarray, known: Known) -> WeightTask:
        """Return the task of a weight."""
        return cls(array=array, layer=known.layer, inputs=known.inputs, bias=known.bias)

    @property
    def signal(self) -> float:
        """``trace(W H W^T)``, or the sum of squares of a weight of whose inputs nothing is known."""
        return self._error(self._matrices())

    def round(self, step: float, most: int = MAX_NONZERO, *, pruned: bool = False) -> CalibratedWeight:
        """Return the weight on the grid of a step, or of the smallest above that its range permits.

        Args:
            step: The step.
            most: How many values besides zero there may be, 1..255.
            pruned: Whether it was pruned: then what is not zero does not become zero.

        Raises:
            WeightError: A value is NaN or infinite.
        """
        matrices = self._matrices()
        if self.inputs is None:
            rounded = round_alone(matrices, step, most=most)
        else:
            rounded = round_with_feedback(matrices, step, self.inputs.factor, most=most, pruned=pruned)
        return self._calibrated(matrices, rounded.values(self.array.dtype), rounded.step)

    def round_to_int8(self, step: float, form: Form, most: int = 254, *, pruned: bool = False) -> CalibratedWeight:
        """Return the weight as int8 integers, with the smallest steps that their range permits where that is coarser.

        Args:
            step: The step.
            form: The form of the integers.
            most: How many values besides zero there may be, 2..254.
            pruned: Whether it was pruned, as for ``round``.

        Raises:
            WeightError: A value is NaN or infinite, or too small.
        """
        matrices = form.matrices(self.array) if self.layer is None else self._matrices()
        factor = None if self.inputs is None else self.inputs.factor
        rounded = round_to_int8(matrices, step, factor, form, most=most, pruned=pruned)
        values, integers = (
            form.back(each, self.array.shape) if self.layer is None else each
            for each in (rounded.values(), rounded.integers)
        )
        made = self._calibrated(self._matrices(), values.astype(self.array.dtype), float(rounded.steps.max()))
        steps = rounded.steps.reshape(-1)
        return replace(made, integers=Integers(self._back(integers), steps[:1] if rounded.one else steps))

    def kept(self) -> CalibratedWeight | None:
        """Return the weight as it is if it is on a grid, and not by chance as one of few elements may be; else None."""
        found = element_grid(self.array) if self.array.any() else None
        if found is None or self.array.size < LEAST_ON_GRID * np.unique(self.array).size:
            return None
        made = self._calibrated(self._matrices(), self._matrices(), float(found[1].max()))
        return replace(made, values=self.array)

    def prune(self, density: float) -> CalibratedWeight:
        """Return a layer's weight with some of its elements zero, for which others make up; see ``pruning.prune``.

        Raises:
            OptionError: The density is out of range.
            WeightError: Nothing is known of its inputs, or a value is NaN or infinite.
        """
        if self.inputs is None:
            raise WeightError("nothing is known of its inputs")
        matrices = self._matrices()
        pruned = prune(matrices, self.inputs.second, self.inputs.factor.damping, density)
        return self._calibrated(matrices, pruned.astype(self.array.dtype), None)

    def saliency(self) -> NDArray[np.float32]:
        """Return what a zero in place of each element would cost, flat; see ``zeros.saliency``.

        Raises:
            WeightError: Nothing is known of its inputs.
        """
        if self.inputs is None:
            raise WeightError("nothing is known of its inputs")
        return saliency(self._matrices(), self.inputs.factor).reshape(-1)

    def _calibrated(self, matrices: NDArray[np.float32], values: np.ndarray, step: float | None) -> CalibratedWeight:
        """Return what became of the weight, from its matrices before and after."""
        array = self._back(values)
        change = matrices - self._matrices(array)
        return CalibratedWeight(array, self._corrected_bias(change), step, self._error(change))

    def _matrices(self, array: np.ndarray | None = None) -> NDArray[np.float32]:
        array = self.array if array is None else array
        return array.astype(np.float32) if self.layer is None else self.layer.matrices.of(array)

    def _back(self, matrices: np.ndarray) -> np.ndarray:
        return matrices if self.layer is None else self.layer.matrices.back(matrices)

    def _error(self, change: NDArray[np.float32]) -> float:
        if self.inputs is None:
            return float(np.square(change, dtype=np.float64).sum())
        return output_error(change, self.inputs.second)

    def _corrected_bias(self, change: NDArray[np.float32]) -> np.ndarray | None:
        if self.bias is None or self.layer is None or self.inputs is None or self.inputs.mean is None:
            return None
        constant = mean_change(change, self.inputs.mean)
        constant = constant.sum(axis=0) if self.layer.is_sum else constant
        array = self.bias.array
        return (array.astype(np.float64) + self.bias.scale * constant.reshape(array.shape)).astype(array.dtype)


@dataclass(frozen=True)
class Integers:
    """The integers of a weight in int8.

    Attributes:
        array: ``k``, int8, of the shape of the weight.
        steps: The step, float32 ``[1]``, or that of each output channel, ``[channels]``.
    """

    array: NDArray[np.int8]
    steps: NDArray[np.float32]


@dataclass(frozen=True)
class CalibratedWeight:
    """A weight on a grid, or with zeros, or both.

    Attributes:
        values: The new values in the weight's own type: ``k * step`` if it is on a grid.
        bias: The values of its bias with which the outputs keep their means; None if it has none.
        step: The step, the largest if channels have their own; None without a grid.
        loss: ``D = trace((W - What) H (W - What)^T)``, or the sum of squared errors of a weight of whose inputs nothing
            is known.
        integers: Its integers, if it is to be int8.
    """

    values: np.ndarray
    bias: np.ndarray | None
    step: float | None
    loss: float
    integers: Integers | None = None
