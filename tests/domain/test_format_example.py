"""The worked example of docs/format.md, read from the page itself: every table and every byte of it must hold."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import numpy as np
import pytest

from onnxdc.numeric.decoding import decode_weight
from onnxdc.numeric.encoding import encode_weight
from onnxdc.numeric.packets import symbol_counts
from onnxdc.numeric.weight import CompressedWeight
from tests.vectors import slow_decoder
from tests.vectors.vector_file import NAMES, numpy_type

PAGE = (Path(__file__).parents[2] / "docs" / "format.md").read_text(encoding="utf-8")
EXAMPLE = PAGE[PAGE.index("## 8.") : PAGE.index("## 9.")]
DENSE, STREAMS, TENSORS = re.findall(r"```\n(.*?)```", EXAMPLE, re.DOTALL)


@pytest.fixture(scope="module")
def dense() -> np.ndarray:
    """W."""
    return np.array(ast.literal_eval(DENSE.removeprefix("W = ")), np.float32)


@pytest.fixture(scope="module")
def weight() -> CompressedWeight:
    """The weight group, from the hex bytes and the attributes."""
    tensors = {}
    for name, dtype, dims, data in re.findall(
        r"^(\w+) +(\w+) (\[.*?\])\s+((?:[0-9a-f]{2}\s+)*)", TENSORS, re.MULTILINE
    ):
        tensors[name] = np.frombuffer(bytes.fromhex(data), dtype).reshape(ast.literal_eval(dims))
    attributes = {name: int(value, 0) for name, value in re.findall(r"(\w+) = (\w+)", TENSORS)}
    dtype = numpy_type(attributes.pop("dtype"))
    return CompressedWeight(*(tensors[name] for name in NAMES), dtype=dtype, **attributes)


def table(header: str) -> list[list[str]]:
    """The cells of the table whose header starts with a word, without backquotes."""
    lines = EXAMPLE[EXAMPLE.index(f"| {header} |") :].split("\n\n")[0].splitlines()[2:]
    return [[cell.strip(" `") for cell in line.strip("|").split("|")] for line in lines]


@pytest.mark.parametrize("decode", [decode_weight, slow_decoder.decode])
def test_bytes_decode_to_the_matrix(weight, dense, decode):
    found = decode(weight)
    assert (found.dtype, found.shape, found.tobytes()) == (dense.dtype, dense.shape, dense.tobytes())


def test_encoder_needs_no_more_bytes(weight, dense):
    encoded = encode_weight(dense, index_bits=2, packet=weight.packet)
    assert encoded.nbytes <= weight.nbytes


def test_codewords_follow_from_the_tables(weight):
    for alphabet, data in (("codes", weight.code_table), ("gaps", weight.gap_table)):
        rows = [row[1:] for row in table("alphabet") if row[0] == alphabet]
        words = slow_decoder.codeword_symbols(data.tolist(), 1)
        assert [(word, int(symbol)) for symbol, _, word in rows] == list(words.items())
        assert all(int(length) == len(word) for _, length, word in rows)


def test_entries_place_the_values_of_the_matrix(weight, dense):
    position = 0
    found = np.zeros(dense.size, np.float32)
    for number, (entry, at, gap, _, code, _, value) in enumerate(table("entry")):
        assert int(entry) == number
        position += int(gap)
        assert int(at) == position
        found[position] = weight.codebook[0, int(code)]
        assert value == ("filler" if int(code) == weight.zero else f"{found[position]:g}")
    np.testing.assert_array_equal(found.reshape(dense.shape), dense)
    assert len(table("entry")) == weight.entries


def test_entries_have_the_codewords_of_their_symbols():
    words = {(alphabet, symbol): word for alphabet, symbol, _, word in table("alphabet")}
    for _, _, gap, gap_word, code, code_word, _ in table("entry"):
        assert (gap_word, code_word) == (words["gaps", gap], words["codes", code])


@pytest.mark.parametrize(("name", "column"), [("gaps", 3), ("codes", 5)])
def test_streams_join_the_codewords_of_the_entries(weight, name, column):
    line = next(line for line in STREAMS.splitlines() if line.startswith(name))
    dotted, binary, data = (part.strip() for part in line.removeprefix(name).split("="))
    *words, fill = dotted.split("·")
    assert words == [row[column] for row in table("entry")]
    bits = "".join(words) + "1" * int(fill.strip("()"))
    assert len(bits) == 8 * weight.packet
    first, ones = re.fullmatch(r"([01 ]+) then (\d) bytes of ones", binary).groups()
    assert bits == first.replace(" ", "") + "1" * 8 * int(ones)
    assert bytes(int(bits[i : i + 8], 2) for i in range(0, len(bits), 8)) == bytes.fromhex(data)
    assert bytes.fromhex(data) == getattr(weight, name).tobytes()


def test_fill_symbols_are_as_many_as_the_text_says(weight):
    codes, code, gaps = map(
        int, re.search(r"complete (\d+) fill.* stand for code (\d), and (\d+) of", EXAMPLE).groups()
    )
    assert symbol_counts(weight) == (weight.entries + codes, weight.entries + gaps)
    assert list(slow_decoder.codeword_symbols(weight.code_table.tolist(), 1).values())[-1] == code
