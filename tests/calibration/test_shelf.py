"""A shelf gives back what was put there, from memory or from a file."""

from __future__ import annotations

import numpy as np
import pytest

from onnxdc.calibration.shelf import Shelf


@pytest.mark.parametrize("memory", [0, 20, 10**6])
def test_what_was_put_there_comes_back(memory: int) -> None:
    shelf: Shelf[int, np.ndarray] = Shelf(memory, lambda array: array.nbytes)
    for key in range(5):
        shelf.put(key, np.arange(key))
    for key in (3, 0, 4, 1, 2, 3):
        assert np.array_equal(shelf[key], np.arange(key))
    assert 4 in shelf
    assert 5 not in shelf
    with pytest.raises(KeyError):
        shelf[5]


def test_only_what_fits_is_held() -> None:
    shelf: Shelf[str, np.ndarray] = Shelf(100, lambda array: array.nbytes)
    small, large = np.zeros(8), np.zeros(80)
    shelf.put("large", large)
    shelf.put("small", small)

    assert shelf["small"] is small
    assert shelf["large"] is not large
