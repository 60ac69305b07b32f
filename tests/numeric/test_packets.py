"""Packets against strings of the characters 0 and 1."""

from __future__ import annotations

import numpy as np
import pytest

from onnxdc.errors import FormatError
from onnxdc.numeric import packets
from onnxdc.numeric.encoding import encode_weight
from onnxdc.numeric.huffman import Code, make_code


def random_symbols(count: int, alphabet: int, skew: float, seed: int) -> np.ndarray:
    weights = np.arange(1, alphabet + 1, dtype=np.float64) ** -skew
    return np.random.default_rng(seed).choice(alphabet, count, p=weights / weights.sum()).astype(np.uint8)


def code_for(symbols: np.ndarray, shortest: int = 1) -> Code:
    return make_code(np.bincount(symbols), in_order=False, shortest=shortest)


def words_of(code: Code) -> dict[int, str]:
    """The codeword of each symbol, counted up as the format words it."""
    words: dict[int, str] = {}
    word, previous = -1, 0
    for length, symbol in zip(code.lengths.tolist(), code.symbols.tolist(), strict=True):
        word = (word + 1) << (length - previous) if words else 0
        previous = length
        words[symbol] = f"{word:0{length}b}"
    return words


def packed_as_text(symbols: np.ndarray, code: Code, packet: int) -> bytes:
    words = words_of(code)
    bits, room = [""], 8 * packet
    for symbol in symbols.tolist():
        if len(bits[-1]) + len(words[symbol]) > room:
            bits.append("")
        bits[-1] += words[symbol]
    last = -(-len(bits[-1]) // 64) * 64  # the last packet is as short as may be
    text = "".join(each.ljust(room, "1") for each in bits[:-1]) + bits[-1].ljust(last, "1")
    return int(text, 2).to_bytes(len(text) // 8, "big")


@pytest.mark.parametrize("count", [1, 3, 4, 63, 64, 65, 500, 4096, 5001])
@pytest.mark.parametrize(("alphabet", "skew"), [(1, 0), (2, 0), (2, 4), (16, 0), (31, 1), (256, 0), (256, 3)])
@pytest.mark.parametrize("packet", [8, 16, 32, 64, 128, 256])
def test_pack_and_unpack(count: int, alphabet: int, skew: float, packet: int) -> None:
    symbols = random_symbols(count, alphabet, skew, seed=count)
    code = code_for(symbols)
    stream = packets.pack(symbols, code, packet)
    assert stream.dtype == np.uint8
    assert stream.tobytes() == packed_as_text(symbols, code, packet)
    np.testing.assert_array_equal(packets.unpack(stream, code, packet, count), symbols)


@pytest.mark.parametrize("packet", [8, 32])
@pytest.mark.parametrize("shortest", [1, 2])
def test_long_codewords_leave_up_to_eleven_bits(packet: int, shortest: int) -> None:
    symbols = np.random.default_rng(1).integers(0, 40, 3000).astype(np.uint8)
    code = make_code(2 ** np.arange(40), in_order=False, shortest=shortest)
    assert code.lengths.min() == shortest
    assert code.lengths.max() == 12
    stream = packets.pack(symbols, code, packet)
    assert stream.tobytes() == packed_as_text(symbols, code, packet)
    np.testing.assert_array_equal(packets.unpack(stream, code, packet, symbols.size), symbols)


@pytest.mark.parametrize("packet", [8, 16, 32, 64, 128, 256])
@pytest.mark.parametrize(("alphabet", "skew"), [(1, 0), (256, 1.5)])
def test_more_symbols_than_a_block(packet: int, alphabet: int, skew: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packets, "BLOCK", 4096)
    monkeypatch.setattr(packets, "BYTES_AT_ONCE", 16 * packet)
    for count in (4095, 4096, 4097, 20_001):
        symbols = random_symbols(count, alphabet, skew, seed=5)
        code = code_for(symbols)
        stream = packets.pack(symbols, code, packet)
        assert stream.tobytes() == packed_as_text(symbols, code, packet)
        np.testing.assert_array_equal(packets.unpack(stream, code, packet, count), symbols)


def test_nothing_packed_is_nothing() -> None:
    empty = np.empty(0, dtype=np.uint8)
    assert packets.pack(empty, FOUR, 8).size == 0
    assert packets.unpack(empty, FOUR, 8, 0).size == 0


FOUR = Code(np.array([1, 2, 3, 3], np.uint8), np.array([7, 5, 9, 3], np.uint8))  # 0, 10, 110, 111


def unpack_bits(bits: str, count: int, code: Code = FOUR) -> list[int]:
    """Packets of 8 bytes, each as far as given, and the same bit, the last given, from there on."""
    text = "".join(packet + packet[-1] * (64 - len(packet)) for packet in bits.split())
    stream = np.frombuffer(int(text, 2).to_bytes(len(text) // 8, "big"), dtype=np.uint8)
    return packets.unpack(stream, code, 8, count).tolist()


def test_the_code_that_the_bad_streams_are_made_of() -> None:
    assert unpack_bits("010110" + "1" * 58, 3) == [7, 5, 9]
    assert unpack_bits("010110" + "1" * 58, 22) == [7, 5, 9, *[3] * 19]
    assert unpack_bits("0" * 62 + "11 01", 64) == [*[7] * 62, 7, 3]
    assert unpack_bits("0" * 64 + " " + "0" * 64, 128) == [7] * 128


@pytest.mark.parametrize(
    ("rule", "bits", "count"),
    [
        ("truncated", "0101101", 65),
        ("truncated", "01011011", 24),  # 58 ones are 19 codewords and a bit
        ("truncated", "0" * 62 + "11", 63),
        ("truncated", "0" * 64, 65),
        ("truncated", "0" * 64, 10**9),  # refused before room for it is made
        ("packet-fill", "010110" + "1" * 57 + "0", 3),
        ("packet-fill", "0101100" + "1" * 57, 3),
        ("packet-fill", "0" * 64, 63),
        ("packet-fill", "0" * 62 + "11 1", 62),
        ("packet-fill", "0" * 64 + " 1", 64),
        ("packet-fill", "0" * 63 + "1 1 1", 64),
        ("packet-fill", "01 1 1 1", 2),
    ],
)
@pytest.mark.parametrize("at_once", [1, 2, 8192])
def test_bad_streams_are_named(rule: str, bits: str, count: int, at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packets, "BYTES_AT_ONCE", 8 * at_once)
    with pytest.raises(FormatError) as caught:
        unpack_bits(bits, count)
    assert caught.value.rule == rule


@pytest.mark.parametrize("at_once", [1, 3, 8192])
def test_what_is_left_of_any_packet_is_looked_at(at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packets, "BYTES_AT_ONCE", 8 * at_once)
    code = Code(np.full(32, 5, np.uint8), np.arange(32, dtype=np.uint8))  # 12 codewords of 5 bits, and 4 bits left
    good = packets.pack(np.zeros(60, np.uint8), code, 8)
    for packet in range(5):
        for bit in range(4):
            bad = good.copy()
            bad[8 * packet + 7] ^= 1 << bit
            with pytest.raises(FormatError) as caught:
                packets.unpack(bad, code, 8, 60)
            assert caught.value.rule == "packet-fill"


@pytest.mark.parametrize("packet", [8, 32, 256])
@pytest.mark.parametrize("density", [0.02, 0.4, 1])
@pytest.mark.parametrize("values", [1, 5, 200])
def test_symbols_are_entries_and_fill_symbols(packet: int, density: float, values: int) -> None:
    rng = np.random.default_rng(values)
    array = np.where(rng.random(3001) < density, rng.standard_normal(values)[rng.integers(0, values, 3001)], 0)
    weight = encode_weight(array, packet=packet)
    expected = []
    for stream, table in ((weight.codes, weight.code_table), (weight.gaps, weight.gap_table)):
        symbols = 0
        if stream.size:
            code = packets.code_of(weight) if stream is weight.codes else packets.read_table(table)
            words = {f"{word:0{length}b}" for word, length in zip(code.codewords(), code.lengths, strict=True)}
            whole = np.append(stream, np.full(-stream.size % packet, 255, np.uint8))  # a short last packet ends in ones
            for row in whole.reshape(-1, packet):
                word = ""
                for bit in "".join(f"{byte:08b}" for byte in row):
                    word += bit
                    if word in words:
                        symbols, word = symbols + 1, ""
            assert symbols >= weight.entries
        expected.append(symbols)
    assert packets.symbol_counts(weight) == tuple(expected)


def test_a_weight_without_entries_has_no_symbols() -> None:
    assert packets.symbol_counts(encode_weight(np.zeros(10))) == (0, 0)


@pytest.mark.parametrize("packet", [8, 16, 32, 64, 128, 256])
@pytest.mark.parametrize(("alphabet", "skew"), [(1, 0), (2, 4), (16, 1), (31, 1), (60, 0.2), (256, 1), (256, 3)])
def test_bytes_are_as_expected_within_two_percent(packet: int, alphabet: int, skew: float) -> None:
    symbols = random_symbols(100_000, alphabet, skew, seed=9)
    code = code_for(symbols)
    expected = packets.expected_bytes(np.bincount(symbols, minlength=256), code, packet)
    assert expected == pytest.approx(packets.pack(symbols, code, packet).size, rel=0.02)


@pytest.mark.parametrize("count", [0, 1, 7, 20])
def test_bytes_of_one_packet_are_exact(count: int) -> None:
    symbols = random_symbols(count, 4, 1, seed=1)
    code = make_code(np.array([4, 3, 2, 1]), in_order=True)
    assert packets.expected_bytes(np.bincount(symbols, minlength=256), code, 16) == packets.pack(symbols, code, 16).size
