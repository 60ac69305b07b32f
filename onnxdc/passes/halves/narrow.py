"""In which types of fewer bytes the values of a vector are exact."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

import numpy as np

from onnxdc.numeric.arrays import BFLOAT16, bit_patterns

HALVES: Final = (np.dtype(np.float16), BFLOAT16)
INTEGERS: Final = (np.dtype(np.int8), np.dtype(np.int16))
LARGEST_BYTE: Final = 127
_BFLOAT16_OPSET: Final = 13  # the first whose Cast takes it
EXPONENTS: Final = range(-100, 100)  # of steps of which float32 holds products with an integer exactly
_MANTISSA: Final = 24  # bits of float32


def narrow_type(array: np.ndarray, opset: int) -> np.dtype | None:
    """Return the first type of two bytes that holds all floats exactly; none holds a NaN, whose bits may change."""
    if np.isnan(array).any():  # to convert a signalling one warns, too
        return None
    for narrow in HALVES[: 2 if opset >= _BFLOAT16_OPSET else 1]:
        with np.errstate(over="ignore"):
            back = array.astype(narrow).astype(array.dtype)
        if np.array_equal(bit_patterns(back), bit_patterns(array)):
            return narrow
    return None


def narrow_integers(array: np.ndarray) -> np.dtype | None:
    """Return the first type of fewer bytes that holds all integers."""
    return next((narrow for narrow in INTEGERS if np.array_equal(array.astype(narrow), array)), None)


def byte_exponents(array: np.ndarray) -> range:
    """Return the exponents e for which all floats are integers from -127 to 127 times 2^e; any if all are zero."""
    if array.dtype != np.float32 or not np.isfinite(array).all() or (np.signbit(array) & (array == 0)).any():
        return range(0)
    mantissas, exponents = np.frexp(array[array != 0].astype(np.float64))
    if not mantissas.size:
        return EXPONENTS
    integers = (mantissas * 2.0**_MANTISSA).astype(np.int64)
    lowest = np.frexp((integers & -integers).astype(np.float64))[1] - 1  # of each its lowest bit that is set
    coarsest = int((lowest + exponents - _MANTISSA).min())
    return range(max(_finest(array), EXPONENTS.start), min(coarsest + 1, EXPONENTS.stop))


def borne_exponents(array: np.ndarray, spread: float) -> range:
    """Return the exponents of steps that a vector may be rounded to: none for one of equal values.

    Args:
        array: The vector.
        spread: The largest step, in standard deviations.
    """
    if array.dtype != np.float32 or not np.isfinite(array).all() or not array.any():
        return range(0)
    step = spread * float(array.std(dtype=np.float64))
    coarsest = int(np.floor(np.log2(step))) if step else EXPONENTS.start - 1
    return range(max(_finest(array), EXPONENTS.start), min(coarsest + 1, EXPONENTS.stop))


def _finest(array: np.ndarray) -> int:
    """Return the exponent of the finest step by which the largest value is an integer of a byte."""
    return int(np.ceil(np.log2(float(np.abs(array).max()) / LARGEST_BYTE)))


def best_exponent(arrays: Sequence[np.ndarray], exponents: Sequence[Collection[int]]) -> int | None:
    """Return the finest of the exponents that suit most elements; None if none suits any.

    Args:
        arrays: Vectors; those of zeros, which any suits, do not count.
        exponents: For each the exponents that suit it.
    """
    elements: dict[int, int] = {}
    for array, found in zip(arrays, exponents, strict=True):
        for exponent in found if len(found) and array.any() else ():
            elements[exponent] = elements.get(exponent, 0) + array.size
    return max(sorted(elements), key=lambda exponent: elements[exponent], default=None)
