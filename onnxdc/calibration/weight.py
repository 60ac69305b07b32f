"""The work on one weight: a function of arrays, which another process can do."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from onnxdc.calibration.layers import Layer
from onnxdc.calibration.statistics import Inputs
from onnxdc.numeric.calibrated.error import mean_change, output_error
from onnxdc.numeric.calibrated.rounding import round_alone, round_with_feedback


@dataclass(frozen=True)
class BiasValues:
    """The values of a layer's bias, and what the constant part of the error is multiplied with to go there."""

    array: np.ndarray
    scale: float


@dataclass(frozen=True)
class WeightTask:
    """A weight, and all that is known of it; it can be pickled.

    Attributes:
        array: The weight.
        layer: The layer that it is; None for a table, and for a weight of whose inputs nothing is known.
        inputs: What is known of its inputs; None without a layer.
        bias: Its bias; None if it has none.
    """

    array: np.ndarray
    layer: Layer | None = None
    inputs: Inputs | None = None
    bias: BiasValues | None = None

    @property
    def pivot(self) -> float:
        """The mean pivot; 1 for what is rounded without feedback."""
        return 1.0 if self.inputs is None else self.inputs.factor.pivot

    @property
    def signal(self) -> float:
        """``trace(W H W^T)``, or the sum of squares of a weight of whose inputs nothing is known."""
        return self._error(self._matrices())

    def round(self, step: float) -> RoundedWeight:
        """Return the weight on the grid of a step, or of the smallest above that its range permits.

        Raises:
            WeightError: A value is NaN or infinite.
        """
        matrices = self._matrices()
        if self.inputs is None:
            rounded = round_alone(matrices, step)
        else:
            rounded = round_with_feedback(matrices, step, self.inputs.factor)
        values = self._back(rounded.values(self.array.dtype))
        change = matrices - self._matrices(values)
        return RoundedWeight(values, self._corrected_bias(change), rounded.step, self._error(change))

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
class RoundedWeight:
    """A weight on a grid.

    Attributes:
        values: The new values, ``k * step`` in the weight's own type.
        bias: The values of its bias with which the outputs keep their means; None if it has none.
        step: The step.
        loss: ``D = trace((W - What) H (W - What)^T)``, or the sum of squared errors of a weight of whose inputs nothing
            is known.
    """

    values: np.ndarray
    bias: np.ndarray | None
    step: float
    loss: float
