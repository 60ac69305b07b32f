"""What a layer costs: the sparse kernels of ``custom_ops`` against onnxruntime's dense ones.

The unit is the time of one multiply-add of a vector of 16 floats at the processor's peak, for each 16 positions: pixels
of a convolution, rows of a matrix product. Both sides are spread over threads alike, so their number does not matter.
The constants are those of the slower of AVX2 and AVX-512, measured on Zen 4, where both have the same peak;
``benchmarks/cost.py`` measures them again and shows how well they predict.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, prod
from typing import Final

ENTRY: Final = 1.45  # a nonzero
COLUMN: Final = 4.5  # an input that a weight meets, brought into a panel: once for all outputs of its group
TILE: Final = 6.0  # an output in one tile of its columns: its sums are read and written
OUTPUT: Final = 10.0  # an output: bias, activation, writing it out
TILE_COLUMNS: Final = 140
DENSE: Final = 1.0  # an element of a dense weight: onnxruntime runs at 95 % of the peak and more
DEPTHWISE: Final = 2.0  # the same in a convolution of one channel a group
# Single rows: a dense product waits for memory or the last cache, a sparse one computes.
ROW_ENTRY: Final = 0.45  # a nonzero, for one row
ROW_DENSE: Final = 0.2  # an element of a dense weight, for one row, in the last cache
MARGIN: Final = 0.97  # a layer must be faster at least by this


@dataclass(frozen=True)
class Layer:
    """The shape of a layer.

    Attributes:
        outputs: in all groups.
        columns: of the weight as a matrix [outputs, columns]: inputs of a group times the kernel's size.
        groups: 1 but for convolutions.
        positions: pixels of an output plane, or rows; 0 if that is not known.
    """

    outputs: int
    columns: int
    groups: int = 1
    positions: int = 0


def ratio(layer: Layer, density: float) -> float:
    """How many times as long the dense kernel takes, about, for many positions or the number that is known."""
    size = layer.outputs * layer.columns
    tiles = ceil(layer.columns / TILE_COLUMNS)
    sparse = ENTRY * density * size + COLUMN * layer.columns * layer.groups + (TILE * tiles + OUTPUT) * layer.outputs
    dense = (DEPTHWISE if layer.groups == layer.outputs > 1 else DENSE) * size
    return dense / (sparse * _unfilled(layer.positions))


def row_ratio(density: float) -> float:
    """The same for a matrix product with one row."""
    return ROW_DENSE / (ROW_ENTRY * density) if density else float("inf")


def _unfilled(positions: int) -> float:
    """How many lanes are computed for each position: vectors of 8 lanes, or the positions one by one."""
    if positions <= 0:
        return 1.0
    return min(ceil(positions / 8) * 8, positions * 4) / positions
