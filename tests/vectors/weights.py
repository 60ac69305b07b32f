"""The weights that vectors are made of."""

from __future__ import annotations

import numpy as np

from onnxdc.numeric.weight import CompressedWeight
from tests.vectors import slow_encoder
from tests.vectors.slow_encoder import Draft

Case = tuple[np.ndarray, CompressedWeight]

PACKET = 32  # the bytes of a packet in vectors that ask for no other: not the default, which no attribute says


def random_sparse(
    shape: tuple[int, ...], density: float, values: int, dtype: type = np.float32, seed: int = 0
) -> np.ndarray:
    """A weight with about `density` nonzeros, drawn from `values` float32-only values (they do not fit in 16 bits)."""
    rng = np.random.default_rng(seed)
    shared = rng.normal(size=values).astype(np.float32).astype(dtype)
    return np.where(rng.random(shape) < density, rng.choice(shared, shape), shared.dtype.type(0))


def random_integers(shape: tuple[int, ...], density: float, lowest: int, highest: int, seed: int = 0) -> np.ndarray:
    """About `density` integers from `lowest` to `highest`, those near 0 more often; the others are 0."""
    rng = np.random.default_rng(seed)
    integers = np.round(rng.normal(size=shape) * (highest - lowest) / 5).clip(lowest, highest)
    return np.where(rng.random(shape) < density, integers, 0).astype(np.int16)


def draft(array: np.ndarray, **choices: object) -> Draft:
    """What the slow encoder makes of `array`, to be spoiled."""
    return slow_encoder.draft(array, **({"packet": PACKET} | choices))  # type: ignore[arg-type]


def encode(array: np.ndarray, **choices: object) -> CompressedWeight:
    """The weight group of `array` as the slow encoder writes it."""
    return slow_encoder.seal(draft(array, **choices))


def of(array: np.ndarray, **choices: object) -> Case:
    """The case of `array` as the slow encoder writes it."""
    return array, encode(array, **choices)


def grouped(shape: tuple[int, ...], groups: int, axis: int, density: float = 0.4) -> np.ndarray:
    """Each group has values of its own, fewer in every next one."""
    array = np.moveaxis(random_sparse(shape, density, 6), axis, 0).copy()
    for g, part in enumerate(np.split(array, groups)):
        part[part != 0] = np.round(part[part != 0] * (groups - g)) + np.float32(g + 0.1)
    return np.ascontiguousarray(np.moveaxis(array, 0, axis))


def steps(*values: float) -> np.ndarray:
    """The steps of groups."""
    return np.array(values, np.float32)[:, None]
