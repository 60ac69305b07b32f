"""The table of operators, and the tables that have a row for each of its entries."""

from __future__ import annotations

from onnxdc.domain.operators import ACTIVATIONS
from onnxdc.domain.portable import epilogue


def test_every_activation_has_a_body_and_no_other_has_one():
    assert sorted(epilogue._ACTIVATIONS) == sorted(ACTIVATIONS)
