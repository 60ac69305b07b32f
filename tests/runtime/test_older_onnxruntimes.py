"""Coded int8 models in this and older versions of onnxruntime: the same bits and operators as of the plain ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from tests.helpers.int8_pairs import OPERATORS, PAIRS, input_of, save_pair
from tests.helpers.older_onnxruntimes import run_in

CASES = [
    (version, name)
    for version in ("1.17.3", "1.20.1", onnxruntime.__version__)
    for name in PAIRS
    if (version, name) != ("1.17.3", "INT4")  # which is of operator set 21: 1.18 and later
]


@pytest.mark.xdist_group("older onnxruntimes")
@pytest.mark.parametrize(("version", "name"), CASES)
def test_same_bits_by_the_same_operators(version: str, name: str, tmp_path: Path) -> None:
    plain, small = save_pair(name, tmp_path)
    values = input_of(plain)
    (before, expected), (after, operators) = (run_in(version, path, values) for path in (plain, small))
    assert expected[OPERATORS[name]] > 0, expected
    assert operators == expected
    np.testing.assert_array_equal(after, before)
    assert np.unique(after).size > 10
