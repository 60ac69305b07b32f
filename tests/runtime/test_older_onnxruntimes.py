"""Coded int8 models in this and older versions of onnxruntime: the same bits and operators as of the plain ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from tests.helpers.int8_pairs import OPERATORS, PAIRS, input_of, save_pair
from tests.helpers.older_onnxruntimes import run_in

VERSIONS = ("1.17.3", "1.20.1", onnxruntime.__version__)
CASES = [(version, name) for version in VERSIONS for name in PAIRS if (version, name) != ("1.17.3", "INT4")]
"""Version 1.17 knows no operator set 21, which INT4 takes."""
UNFUSED = {("1.20.1", "INT4"): "DequantizeLinear"}
"""What runs where onnxruntime has no faster operator yet."""


@pytest.mark.slow
@pytest.mark.xdist_group("older onnxruntimes")
@pytest.mark.parametrize(("version", "name"), CASES)
def test_same_bits_by_the_same_operators(version: str, name: str, tmp_path: Path) -> None:
    plain, small = save_pair(name, tmp_path)
    values = input_of(plain)
    (before, expected), (after, operators) = (run_in(version, path, values) for path in (plain, small))
    assert expected[UNFUSED.get((version, name), OPERATORS[name])] > 0, expected
    assert operators == expected
    np.testing.assert_array_equal(after, before)
    assert np.unique(after).size > 10
