"""Gaps and filler zeros against a plain loop over the format's definition."""

from __future__ import annotations

import numpy as np
import pytest

from onnxdc.numeric import relative_index


def entries_one_by_one(codes: np.ndarray, index_bits: int) -> tuple[list[int], list[int]]:
    gaps, entry_codes, previous = [], [], 0
    reach = min(1 << index_bits, 255)
    for position in np.flatnonzero(codes).tolist():
        while position - previous > reach:
            gaps.append(reach)
            entry_codes.append(0)
            previous += reach
        gaps.append(position - previous)
        entry_codes.append(int(codes[position]))
        previous = position
    return gaps, entry_codes


def codes_at(positions: list[int], size: int) -> np.ndarray:
    codes = np.zeros(size, dtype=np.uint8)
    codes[positions] = np.arange(1, len(positions) + 1)
    return codes


def check(codes: np.ndarray, index_bits: int) -> None:
    gaps, entry_codes = relative_index.to_gaps(codes, index_bits)
    expected_gaps, expected_codes = entries_one_by_one(codes, index_bits)
    assert gaps.dtype == entry_codes.dtype == np.uint8
    assert gaps.tolist() == expected_gaps
    assert entry_codes.tolist() == expected_codes
    rebuilt = np.zeros_like(codes)
    rebuilt[relative_index.to_positions(gaps)] = entry_codes
    np.testing.assert_array_equal(rebuilt, codes)


@pytest.mark.parametrize("index_bits", range(1, 9))
@pytest.mark.parametrize("density", [0.002, 0.05, 0.4, 1.0])
def test_random_weights(index_bits: int, density: float) -> None:
    rng = np.random.default_rng(index_bits)
    check(((rng.random(5000) < density) * rng.integers(1, 256, 5000)).astype(np.uint8), index_bits)


@pytest.mark.parametrize("index_bits", range(1, 9))
@pytest.mark.parametrize("multiple", [1, 2, 5])
@pytest.mark.parametrize("off", [-1, 0, 1])
def test_distances_about_multiples_of_the_reach(index_bits: int, multiple: int, off: int) -> None:
    distance = multiple * min(1 << index_bits, 255) + off
    check(codes_at([distance - 1, 2 * distance - 1, 2 * distance], 2 * distance + 500), index_bits)
    check(codes_at([distance, 2 * distance, 3 * distance + 1], 3 * distance + 500), index_bits)


@pytest.mark.parametrize("positions", [[], [0], [999], [0, 999], list(range(100))])
def test_edges(positions: list[int]) -> None:
    check(codes_at(positions, 1000), 3)


def test_empty() -> None:
    check(np.empty(0, dtype=np.uint8), 8)


@pytest.mark.parametrize("positions", [[63, 64, 127, 128], [5, 700], [640], [1, 2, 3, 960]])
def test_gaps_run_on_across_blocks(positions: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relative_index, "BLOCK", 64)
    check(codes_at(positions, 1000), 4)


@pytest.mark.parametrize("index_bits", range(1, 9))
def test_entries_are_counted(index_bits: int) -> None:
    codes = (np.random.default_rng(index_bits).random(5000) < 0.02).astype(np.uint8)
    assert relative_index.count_entries(codes, index_bits) == len(entries_one_by_one(codes, index_bits)[0])


def test_positions_count_from_the_entry_before() -> None:
    assert relative_index.to_positions(np.array([1, 255], dtype=np.uint8), 10**9).tolist() == [10**9 + 1, 10**9 + 256]
