"""Weights with few values for the tests of coding, and the checksum of what was changed in one."""

from __future__ import annotations

import zlib
from dataclasses import replace

import numpy as np

from onnxdc.numeric.weight import CompressedWeight


def weight_of(shape: tuple[int, ...], density: float, dtype: type = np.float32, values: int = 30) -> np.ndarray:
    rng = np.random.default_rng(values)
    table = rng.standard_normal(values).astype(dtype)
    return np.where(rng.random(shape) < density, table[rng.integers(0, values, shape)], np.zeros((), dtype))


def on_grids(shape: tuple[int, ...], axis: int, bits: int, dtype: type = np.float32) -> np.ndarray:
    """Integers of so many bits times a step for each index along an axis."""
    rng = np.random.default_rng(bits)
    largest = 2 ** (bits - 1) - 1
    integers = np.round(rng.standard_normal(shape) * largest / 3).clip(-largest, largest) + 0.0
    steps = np.ldexp(rng.integers(8, 16, shape[axis]), rng.integers(-12, -9, shape[axis]))
    return (integers * steps.reshape([-1 if a == axis else 1 for a in range(len(shape))])).astype(dtype)


def checked(weight: CompressedWeight) -> CompressedWeight:
    """The weight with the checksum that its tensors have."""
    return replace(weight, checksum=zlib.crc32(b"".join(tensor.tobytes() for tensor in weight.tensors)))
