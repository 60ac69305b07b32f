"""The ways in which small weights can be coded together: each is the same weight, as its settings say."""

from __future__ import annotations

import numpy as np
import pytest

from onnxdc.numeric.decoding import decode_weight
from onnxdc.numeric.encoding import encode_weight
from onnxdc.numeric.packets import gap_symbols
from onnxdc.passes.codings import codings
from tests.helpers.coded_weights import weight_of


@pytest.mark.parametrize("index_bits", [1, 2, 4, 8])
def test_every_way_gives_the_weights_back_with_gaps_as_wide_as_asked_for(index_bits: int) -> None:
    arrays = [weight_of((40, 30), 0.6), weight_of((40, 30), 0.1), weight_of((40, 30), 1.0)]
    weights = [encode_weight(array, index_bits=index_bits) for array in arrays]
    assert weights[0].is_dense
    ways = list(codings(weights, [False, True, False], [index_bits] * 3))
    assert any(not way[0].is_dense for way in ways)
    assert any(not way[1].code_table.size for way in ways)
    for way in ways:
        for weight, array in zip(way, arrays, strict=True):
            np.testing.assert_array_equal(decode_weight(weight), array)
            assert gap_symbols(weight)[1:].max(initial=0) <= 2**index_bits


def test_many_entries_are_coded_in_one_way() -> None:
    weights = [encode_weight(weight_of((200, 200), 0.6))]
    assert len(list(codings(weights, [False], [8]))) == 1
