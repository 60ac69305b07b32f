"""How texts out of files are shown."""

from __future__ import annotations

import doctest

import pytest

from onnxdc import shown as module
from onnxdc.errors import FormatError, ModelError
from onnxdc.shown import MESSAGE_LENGTH, NAME_LENGTH, escaped, shown

ODD = [*range(0x20), *range(0x7F, 0xA0), 0x61C, *range(0x200B, 0x2010), *range(0x2028, 0x202F), *range(0x2066, 0x206A)]


@pytest.mark.parametrize("code", [*ODD, 0xD800, 0xDFFF, 0xFEFF, 0xE0041], ids=hex)
def test_what_a_terminal_would_obey_is_escaped(code):
    text = shown(f"a{chr(code)}b")
    assert text.isprintable()
    assert text.isascii()
    assert text.startswith("a\\")


@pytest.mark.parametrize("text", ["fc1.weight", "/layers/0/MatMul", "Gewichte ä", "重み", "[red]w", "a b", ""])
def test_what_can_be_shown_is_shown(text):
    assert shown(text) == escaped(text) == text


def test_a_long_name_is_shortened_in_the_middle():
    text = shown("start" + "\x1b" * 10**6 + "end")
    assert len(text) == NAME_LENGTH
    assert text.startswith("start\\x1b")
    assert text.endswith("end")


def test_a_message_is_one_line_of_bounded_length():
    error = ModelError(f"{'w' * 100_000}\nonnxdc: error: forged: \x1b[31m")
    assert len(str(error)) == MESSAGE_LENGTH
    assert str(error).isprintable()
    assert str(FormatError("kraft", "a\nb", "w\r")) == "w\\r: kraft: a\\nb"


def test_the_examples():
    assert doctest.testmod(module).failed == 0
