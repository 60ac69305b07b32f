"""What the elements of a weight can be, and which of it each one is: the codebook before its codes are numbered."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from onnxdc.errors import WeightError
from onnxdc.numeric import grids
from onnxdc.numeric.arrays import FLOAT_TYPES, bit_patterns, split_groups, tiles
from onnxdc.numeric.grouping import element_codes, estimated_bytes, group_counts, refined, smallest_tables
from onnxdc.numeric.integers import centre_of, from_centre, numbers_of
from onnxdc.numeric.weight import MAX_CODES

_NARROWEST = 2  # bytes of a float in a codebook


@dataclass(frozen=True)
class Alphabet:
    """The values of a weight, or its integers, with a code for each that is not final.

    Attributes:
        rows: What each group has besides zero, ``[0..256]`` each, all of the type of the codebook.
        zero: What counts as zero: 0, or the integer of which there are most.
        step: The step of each group's grid, float32 ``[G, 1]``; empty ``[0]`` if the rows hold values.
        codes: The code of every element, uint8 ``[numel]``: 0 for zero, if there is any, then the index in its row.
        has_zero: Whether code 0 is zero, and the first of a row is 1.
        shape: The shape of the weight.
        axis: The axis along which groups change.
        is_final: Whether the codes are final: integers are numbered by what they are, from a centre on, so that weights
            of one type have one codebook, however often each of its integers occurs.
    """

    rows: list[np.ndarray]
    step: np.ndarray
    codes: np.ndarray
    has_zero: bool
    shape: tuple[int, ...]
    axis: int
    is_final: bool = False
    zero: int = 0

    @cached_property
    def counts(self) -> np.ndarray:
        """How often each code occurs with each row: int64 ``[R, 256]``."""
        return group_counts(self.codes, self.shape, self.axis, len(self.rows))

    @property
    def nonzero_counts(self) -> np.ndarray:
        """How often each code that is not that of zero occurs with each row, 0 for that of zero."""
        counts = self.counts.copy()
        counts[:, : int(self.has_zero)] = 0
        return counts

    @property
    def nbytes(self) -> int:
        """The bytes of the codebook and the steps, with a code for each value."""
        size = max(row.size for row in self.rows) + self.has_zero
        return len(self.rows) * size * self.rows[0].itemsize + self.step.nbytes

    def renumbered(self, new_codes: np.ndarray) -> np.ndarray:
        """Return the codes of all elements after another numbering, uint8 ``[R, 256]`` for each code of each row."""
        codes = np.empty_like(self.codes)
        old = split_groups(self.codes, self.shape, self.axis, len(self.rows))
        new = split_groups(codes, self.shape, self.axis, len(self.rows))
        for row, old_group, new_group in zip(new_codes, old, new, strict=True):
            for old_tile, new_tile in zip(tiles(old_group), tiles(new_group), strict=True):
                new_tile[...] = row[old_tile]
        return codes

    def codebook(self, new_codes: np.ndarray, size: int) -> np.ndarray:
        """Return the codebook ``[R, size]`` after another numbering; what no code stands for is zero."""
        codebook = np.zeros((len(self.rows), size), dtype=self.rows[0].dtype)
        for row, values, codes in zip(codebook, self.rows, new_codes, strict=True):
            row[codes[int(self.has_zero) :][: values.size]] = values
        return codebook


def integer_alphabet(array: np.ndarray, dtype: np.dtype) -> Alphabet:
    """Return the alphabet of a weight of integers: those of its type up to the furthest from the centre that occurs.

    Args:
        array: The weight, row-major, in the type that its values are stored in.
        dtype: The type of the weight.
    """
    order = from_centre(centre_of(array), dtype)
    codes = numbers_of(array, order)
    order = order[: int(codes.max(initial=0)) + 1]
    has_zero = bool(array.size) and not codes.all()
    rows, step, zero = [order[int(has_zero) :]], np.empty(0, np.uint8), int(order[0])
    return Alphabet(rows, step, codes, has_zero, array.shape, 0, is_final=True, zero=zero)


def find_alphabet(array: np.ndarray, axis: int) -> Alphabet:
    """Find what the elements of a weight of floats can be.

    That is the values of the smallest number of groups along ``axis`` that can be encoded; or of more groups, if that
    makes the weight clearly smaller; or the integers of a grid, if all values are on one and this is not larger.

    Args:
        array: The weight, row-major.
        axis: The axis along which the groups may change, 0 for a scalar.

    Raises:
        WeightError: There are too many distinct values.
    """
    bits = bit_patterns(array)
    has_zero = bool(np.count_nonzero(bits) < bits.size)
    grid = _on_grids(array, axis, has_zero)
    # Groups of values whose codebooks would be larger than steps and integers are not looked for.
    most = array.size // 2 if grid is None else min(array.size // 2, grid.nbytes // _NARROWEST)
    try:
        tables = smallest_tables(array, axis, MAX_CODES - has_zero, most)
    except WeightError:
        if grid is None:
            raise
        return grid
    values = _of_values(array, axis, tables, has_zero)
    return values if grid is None or _size(grid) > _size(values) else grid


def _of_values(array: np.ndarray, axis: int, tables: list[np.ndarray], has_zero: bool) -> Alphabet:
    """Return the alphabet of values, or of the integers of one grid, given the smallest tables of values."""
    codes = element_codes(array, axis, tables, int(has_zero))
    rows = _stored(tables, array.dtype)
    values = Alphabet(rows, np.empty(0, np.uint8), codes, has_zero, array.shape, axis)
    integers = _integers_of(tables, array.dtype)
    if integers is not None:
        one_grid = replace(values, rows=[integers[1]], step=integers[0])
        values = one_grid if one_grid.nbytes <= values.nbytes else values
    size = _size(values)
    finer = refined(tables, codes, array.shape, axis, first=int(has_zero), itemsize=rows[0].itemsize, size=size)
    if finer is tables:
        return values
    return Alphabet(_stored(finer, array.dtype), np.empty(0, np.uint8), codes, has_zero, array.shape, axis)


def _size(alphabet: Alphabet) -> float:
    """Estimate the bytes of codes, codebook and steps."""
    return estimated_bytes(alphabet.nonzero_counts, alphabet.rows[0].itemsize) + alphabet.step.nbytes


def _stored(tables: list[np.ndarray], dtype: np.dtype) -> list[np.ndarray]:
    """Return bit patterns as values of the smallest type that holds all of them bit for bit."""
    exact = [table.view(dtype) for table in tables]
    # A conversion may change the bits of a NaN.
    if dtype.itemsize <= 2 or any(np.isnan(row).any() for row in exact):
        return exact
    for narrow in FLOAT_TYPES:
        with np.errstate(over="ignore", invalid="ignore"):
            stored = [row.astype(narrow) for row in exact]
            back = [bit_patterns(row.astype(dtype)) for row in stored]
        if all(np.array_equal(bits, table) for bits, table in zip(back, tables, strict=True)):
            return stored
    raise AssertionError("a type holds its own values")


def _integers_of(tables: list[np.ndarray], dtype: np.dtype) -> tuple[np.ndarray, np.ndarray] | None:
    """Return the step and the integers of the values of a single group, or None if they are on no grid."""
    if len(tables) > 1:
        return None
    grid = grids.grid_of_values(tables[0].view(dtype))
    return None if grid is None else (grid[0], _narrow(grid[1]))


def _on_grids(array: np.ndarray, axis: int, has_zero: bool) -> Alphabet | None:
    """Return the alphabet of the integers of a grid for each group, if all values are on such grids."""
    grid = grids.find_grid(array, axis)
    if grid is None:
        return None
    zero = int(np.searchsorted(grid.integers, 0))
    # Zero comes first.
    integers = np.delete(grid.integers, zero) if has_zero else grid.integers
    new_codes = np.arange(MAX_CODES)
    if has_zero:
        new_codes[: zero + 1] = (new_codes[: zero + 1] + 1) % (zero + 1)
    codes = new_codes.astype(np.uint8)[grid.codes]
    return Alphabet([_narrow(integers)], grid.steps, codes, has_zero, array.shape, axis)


def _narrow(integers: np.ndarray) -> np.ndarray:
    """Return integers as int8 if they fit, else as int16."""
    narrow = integers.astype(np.int8)
    return narrow if np.array_equal(narrow, integers) else integers
