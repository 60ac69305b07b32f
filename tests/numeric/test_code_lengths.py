"""The price of integers: an ideal code's lengths, and no barrier on the way to the likeliest integer."""

from __future__ import annotations

import numpy as np
import pytest

from onnxdc.numeric.code_lengths import code_lengths


def ideal(counts: np.ndarray) -> np.ndarray:
    likely = counts + 0.5
    return -np.log2(likely / likely.sum())


@pytest.mark.parametrize("counts", [[0, 3, 90, 7, 2], [50, 20, 3], [1, 4, 9], [8], [0, 0, 0]])
def test_counts_that_fall_outwards_have_the_lengths_of_an_ideal_code(counts: list[int]) -> None:
    np.testing.assert_allclose(code_lengths(np.array(counts)), ideal(np.array(counts)), rtol=1e-12)


def test_a_rare_integer_between_others_lies_on_the_line_between_its_neighbours() -> None:
    counts = np.array([40, 0, 500, 0, 0, 30, 2])
    lengths = ideal(counts)
    expected = np.array(
        [
            *(lengths[0], (lengths[0] + lengths[2]) / 2, lengths[2]),
            *(lengths[2] + (lengths[5] - lengths[2]) * part for part in (1 / 3, 2 / 3)),
            *lengths[5:],
        ]
    )
    np.testing.assert_allclose(code_lengths(counts), expected, rtol=1e-12)


@pytest.mark.parametrize("seed", range(20))
def test_prices_never_fall_on_the_way_outwards_and_never_exceed_the_ideal_code(seed: int) -> None:
    counts = np.random.default_rng(seed).integers(0, 20, 31)
    found = code_lengths(counts)
    likeliest = int(counts.argmax())
    assert (np.diff(found[: likeliest + 1]) <= 1e-12).all()
    assert (np.diff(found[likeliest:]) >= -1e-12).all()
    assert (found <= ideal(counts) + 1e-12).all()
    assert found[likeliest] == pytest.approx(ideal(counts)[likeliest])
