"""What a layer costs: the sparse kernels of ``custom_ops`` against onnxruntime's dense ones.

The unit is the time in which a core at its peak multiplies and adds 16 floats; costs are those of 16 positions, which
are pixels of a convolution or rows of a matrix product. Threads speed both sides up alike.

No coefficient is derived. They were fitted by hand, and rounded, to the times of single layers on Zen 4, where AVX2 and
AVX-512 have the same peak, and are those of the slower of the two, since a model is encoded for both.
``benchmarks/cost.py`` measures such layers and shows how well this predicts them: run it after a change of a kernel.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import ceil
from typing import Final

LANES: Final = 16  # floats in a vector of 64 bytes
# Sparse, on panels (custom_ops/simd/panel.h).
ENTRY: Final = 1.4  # a nonzero
COLUMN: Final = 4.5  # an input that a weight meets, brought into a panel: once for all outputs of its group
TAP: Final = 45.0  # an offset in a convolution's kernel: the addresses of its inputs are worked out for all channels
TILE: Final = 6.0  # an output in each tile of columns: its sums are read and written
TILE_COLUMNS: Final = 140  # of a panel of 28 to 64 kB with up to 4 vectors a column (custom_ops/layouts/tiles.cc)
OUTPUT: Final = 10.0  # an output: bias, activation, writing it out
CALL: Final = 4000.0  # a layer, whatever its size
# Dense.
PRODUCT: Final = 1.0  # an element of the weight
SMALL_GROUP: Final = 2.0  # the same in a convolution whose groups have fewer channels than a vector has lanes
FEW: Final = 4.0  # positions that are lost, since short vectors wait for what is done once a nonzero
# A single row of a matrix product: the weight comes from memory or a cache. A few rows cost both sides more. Below 1,
# since these are costs of one row, not of 16.
FEW_ROWS: Final = 3
ROW_ENTRY: Final = 0.45  # sparse, a nonzero (custom_ops/simd/window.h)
ROW_OUTPUT: Final = 3.0  # sparse, an output
ROW_PRODUCT: Final = 0.18  # dense, an element of the weight
# Rows of a table, an element of what is looked up.
LOOK_UP: Final = 0.85  # a code becomes a value, without the permutations of AVX-512
COPY: Final = 0.3  # dense
# Sparse on integers, on panels of bytes (custom_ops/simd/quads.h).
INTEGER_ENTRY: Final = 0.9  # a nonzero
INTEGER_COLUMN: Final = 4.0  # an input that a weight meets, brought into a panel
INTEGER_TILE: Final = 15.0  # an output in each tile of columns: its sums, and its last quad, which is not full
INTEGER_TILE_COLUMNS: Final = 896  # of a panel (custom_ops/layouts/quads.cc)
INTEGER_OUTPUT: Final = 15.0  # an output: from an integer to a float, bias, activation, writing it out
INTEGER_INPUT: Final = 7.0  # an input, once for all that meets it: its range, and to a byte
WIDE, NARROW, NARROW_COST = 32, 8, 16  # lanes of panels; a narrow one takes the time of so many lanes of a wide one
INTEGER_ROW_ENTRY: Final = 0.5  # a nonzero of a few rows: that of the slower kernels, which do without VBMI
MANY: Final = 1024  # rows of a matrix product, as any number from some hundreds on
MARGIN: Final = 0.97  # a layer must be faster by more than 3 %, which is about the noise of the measurements


@dataclass(frozen=True)
class Layer:
    """The shape of a layer.

    Attributes:
        outputs: The outputs of all groups.
        columns: The columns of the weight as a matrix [outputs, columns]: the inputs of a group times the taps.
        groups: The groups of a convolution, else 1.
        taps: The size of a convolution's kernel, else 0.
        positions: The pixels of the output planes of all images, or the rows; 0 if that is not known.
        met: How often a tap meets an input rather than padding, over which dense kernels pass, by the axis where that
            is rarest, as their times go. It counts where dilations make it rare; usual padding is in the coefficients.
    """

    outputs: int
    columns: int
    groups: int = 1
    taps: int = 0
    positions: int = 0
    met: float = 1.0


def gain(layer: Layer, density: float) -> float:
    """Return how many times as long the dense kernel takes, about.

    A matrix product of an unknown number of rows counts as what gains less: a single row, or many.
    """
    if not layer.taps and 0 < layer.positions <= FEW_ROWS:
        return _gain_of_row(layer, density)
    if layer.taps or layer.positions:
        return _gain_of_many(layer, density)
    return min(_gain_of_many(layer, density), _gain_of_row(layer, density))


def dynamic_gain(layer: Layer, density: float) -> float:
    """Return the same for kernels on integers.

    Of an unknown number of rows, too, this is what gains less.
    """
    row = _dynamic_gain_of_row(layer, density)
    if not layer.taps and 0 < layer.positions <= FEW_ROWS:
        return row
    many = _dynamic_gain_of_many(layer, density)
    return many if layer.taps or layer.positions else min(many, row)


def integers_pay(layer: Layer, density: float) -> bool:
    """Return whether a sparse layer is faster on integers than on floats, about.

    Of an unknown number of rows, many decide: a single one takes about as long either way.
    """
    if not layer.taps and not layer.positions:
        layer = replace(layer, positions=MANY)
    return dynamic_gain(layer, density) * MARGIN > gain(layer, density)


def gain_of_rows(elements: int) -> float:
    """Return how many times as long the dense kernel takes to look up rows of a table, about.

    Args:
        elements: How many elements the rows have in all; 0 if that is not known, which counts as any number of them.
    """
    return (CALL + COPY * elements) / (CALL + LOOK_UP * elements) if elements else COPY / LOOK_UP


def _gain_of_many(layer: Layer, density: float) -> float:
    size = layer.outputs * layer.columns
    tiles = ceil(layer.columns / TILE_COLUMNS)
    sparse = ENTRY * density * size + (TILE * tiles + OUTPUT) * layer.outputs
    sparse += COLUMN * layer.columns * layer.groups + TAP * layer.taps
    sparse += CALL * LANES / layer.positions if layer.positions else 0.0
    return _dense(layer) / (sparse * _filled(layer.positions))


def _gain_of_row(layer: Layer, density: float) -> float:
    size = layer.outputs * layer.columns
    return ROW_PRODUCT * size / (ROW_ENTRY * density * size + ROW_OUTPUT * layer.outputs + CALL)


def _dynamic_gain_of_many(layer: Layer, density: float) -> float:
    size = layer.outputs * layer.columns
    tiles = ceil(layer.columns / INTEGER_TILE_COLUMNS)
    inputs = layer.columns // max(layer.taps, 1) * layer.groups
    sparse = INTEGER_ENTRY * density * size + (INTEGER_TILE * tiles + INTEGER_OUTPUT) * layer.outputs
    sparse += INTEGER_COLUMN * layer.columns * layer.groups
    wide, rest = divmod(layer.positions, WIDE)
    lanes = WIDE * wide + (NARROW_COST if 0 < rest <= NARROW else WIDE if rest else 0)
    sparse = sparse * (lanes / layer.positions if layer.positions else 1.0) + INTEGER_INPUT * inputs
    sparse += CALL * LANES / layer.positions if layer.positions else 0.0
    return _dense(layer) / sparse


def _dynamic_gain_of_row(layer: Layer, density: float) -> float:
    size = layer.outputs * layer.columns
    return ROW_PRODUCT * size / (INTEGER_ROW_ENTRY * density * size + ROW_OUTPUT * layer.outputs + CALL)


def _dense(layer: Layer) -> float:
    size = layer.outputs * layer.columns
    return (SMALL_GROUP if _has_small_groups(layer) else PRODUCT) * size * layer.met


def _has_small_groups(layer: Layer) -> bool:
    inputs, outputs = layer.columns // max(layer.taps, 1), layer.outputs // layer.groups
    return layer.groups > 1 and min(inputs, outputs) < LANES


def _filled(positions: int) -> float:
    """Return how many lanes are computed for each position.

    They come in vectors of 8, or one by one, each at a quarter of a vector's time.
    """
    return (min(ceil(positions / 8) * 8, 4 * positions) + FEW) / positions if positions else 1.0
