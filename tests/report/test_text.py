"""Tables as text."""

from __future__ import annotations

import doctest

from onnxdc.report import alternatives, text


def test_examples():
    for module in (text, alternatives):
        found = doctest.testmod(module)
        assert found.attempted
        assert not found.failed


def test_a_table_that_cannot_be_narrower_keeps_its_numbers():
    rows = [("weight", "kind", "dense"), ("a.long.name.of.some.weight", "fc", "1,234,567,890")]
    assert text.fitted(rows, 10) == [["weight", "dense"], ["a.lon...ight", "1,234,567,890"]]
    assert text.aligned(rows, 200)[1].split() == list(rows[1])
