"""The good vectors of Huffman codes, low bits and packets: one weight for each legal case, at the edge of its rule."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tests.vectors.slow_encoder import Lengths, seal, with_checksum
from tests.vectors.weights import Case, draft, of, random_sparse

SKEWED_13 = dict(enumerate([*range(1, 13), 12]))  # complete codes with codewords of up to 12 bits
SKEWED_16 = dict(enumerate([12] * 6 + [11, *range(9, 0, -1)], start=1))


def one_code() -> Case:
    """A lone code: the companion stands for a code that the codebook has."""
    return of(random_sparse((8, 16), 0.2, 1))


def one_code_and_companion_beyond_the_codebook() -> Case:
    return of(np.full((3, 7), 0.1, np.float32), gaps=False)


def one_gap() -> Case:
    array = np.zeros(60, np.float32)
    array[4::4] = np.resize([0.1, 0.2, 0.3], 14)
    return of(array, index_bits=3)


def one_code_one_gap() -> Case:
    array = np.zeros(22, np.float32)
    array[1:] = 0.1
    return of(array)


def codes_256() -> Case:
    array = np.arange(1, 256, dtype=np.float32) / 300
    return of(np.concatenate([array, array[::3]]))


def codes_256_dense() -> Case:
    """No zero among them, which the dense form does not need."""
    array = np.arange(1, 257, dtype=np.float32) / 300
    return of(np.concatenate([array, *[array[::3]] * 5]), gaps=False)


def codes_256_with_low_bits() -> Case:
    return of(np.arange(256, dtype=np.float32) / 300, gaps=False, low_bits=True)


def low_bits_with_gaps() -> Case:
    return of(random_sparse((9, 21), 0.4, 60), low_bits=True)


def low_bits_of_an_odd_number() -> Case:
    return of(random_sparse((7, 9), 1.0, 40), gaps=False, low_bits=True)


def low_bits_of_one_entry() -> Case:
    return of(np.array([0.1], np.float32), gaps=False, low_bits=True)


def low_bits_of_few_codes() -> Case:
    """A lone codeword for all upper bits, whose companion stands for no code."""
    return of(random_sparse((6, 8), 1.0, 5), gaps=False, low_bits=True)


def low_bits_with_listed_symbols() -> Case:
    """The upper bits are not in the order of their frequency, so the table lists multiples of 16."""
    codebook = np.arange(1, 49, dtype=np.float32)[None] / 300
    array = np.concatenate([codebook[0], np.tile(codebook[0, 32:], 9), codebook[0, 16:32]])
    parts = draft(array, gaps=False, low_bits=True, codebook=codebook)
    assert list(parts.code_lengths) != sorted(parts.code_lengths, key=lambda symbol: parts.code_lengths[symbol])
    return array, seal(parts)


def longest_codewords() -> Case:
    array = random_sparse((20, 30), 0.3, 12, seed=2)
    return of(array, index_bits=4, code_lengths=SKEWED_13, gap_lengths=SKEWED_16)


def gaps_256() -> Case:
    """Every gap once."""
    array = np.zeros(255 * 256 // 2 + 1, np.float32)
    array[np.cumsum(np.arange(256))] = np.tile([0.1, 0.2], 128)
    # 256 codewords of 8 bits cannot be written.
    lengths: Lengths = dict.fromkeys(range(256), 8) | {1: 7, 254: 9, 255: 9}
    return of(array, gap_lengths=lengths)


def listed_symbols_in_order() -> Case:
    """A table may list what goes without saying."""
    parts = draft(random_sparse((6, 20), 1.0, 9), gaps=False)
    parts.explicit = {"code"}
    return random_sparse((6, 20), 1.0, 9), seal(parts)


def gap_table_of_12_bytes() -> Case:
    """Gaps 0..3 in the order of their frequency."""
    array = np.zeros(40, np.float32)
    array[[0, 1, 2, 3, 5, 6, 9, 11, 12]] = 0.1
    return of(array, gap_lengths={0: 1, 1: 2, 2: 3, 3: 3})


def two_codewords_for_one_symbol() -> Case:
    """A decoder does not ask whether what codewords stand for is distinct."""
    array = random_sparse((4, 9), 1.0, 2)
    parts = draft(array, gaps=False, code_lengths={0: 1, 1: 2, 2: 2})
    one = with_checksum(seal(parts), code_table=np.array([1, 2, *[0] * 10, 0, 1, 1], np.uint8))
    return array, one


def no_codeword_of_one_bit() -> Case:
    array = random_sparse((16, 16), 0.5, 2)
    lengths = {0: 2, 1: 2, 2: 2, 3: 2}
    return of(array, index_bits=2, code_lengths=lengths, gap_lengths={1: 2, 2: 2, 3: 2, 0: 3, 4: 3})


def full_last_packet() -> Case:
    """The codewords end where a packet does: no fill, and no packet after it."""
    array = random_sparse((8, 16), 1.0, 4)
    case = of(array, gaps=False, code_lengths={0: 2, 1: 2, 2: 2, 3: 2})
    assert case[1].codes.size == 32
    return case


def many_fill_symbols() -> Case:
    """One entry, whose codeword is that of the fill symbols."""
    return of(
        np.array([0.1], np.float32), gaps=False, code_lengths={0: 1, 1: 1}, codebook=np.array([[7, 0.1]], np.float32)
    )


def packets_that_end_early() -> Case:
    """Long codewords, of which one bit to eleven bits do not fit."""
    array = random_sparse((30, 20), 1.0, 13, seed=3)
    return of(array, gaps=False, packet=8, code_lengths=SKEWED_13)


def several_packets() -> Case:
    """Fillers fall on the borders of packets."""
    array = random_sparse((30, 40), 0.12, 7, seed=3)
    array.reshape(-1)[200:500] = 0
    return of(array, index_bits=2, packet=8)


def last_packets_cut() -> Case:
    """The last packet of the codes and that of the gaps, which are not of one length, end early; others do not."""
    array, weight = of(random_sparse((20, 41), 0.3, 31), packet=64, is_cut=True)
    assert weight.codes.size % 64
    assert weight.gaps.size % 64 not in (0, weight.codes.size % 64)
    return array, weight


def only_packet_cut() -> Case:
    """Streams of 8 bytes in packets of 256."""
    array, weight = of(random_sparse((3, 5), 0.6, 3), packet=256, is_cut=True)
    assert (weight.codes.size, weight.gaps.size) == (8, 8)
    return array, weight


def last_packet_cut_and_full() -> Case:
    """The codewords end where the last packet was cut: no fill."""
    array, weight = of(random_sparse((8, 12), 1.0, 4), gaps=False, code_lengths=dict.fromkeys(range(4), 2), is_cut=True)
    assert weight.codes.size == 24
    return array, weight


def last_packet_longer_than_it_must_be() -> Case:
    """Shorter than others, but with 16 bytes more than its codewords take."""
    array, weight = of(random_sparse((8, 12), 1.0, 5), gaps=False, packet=64, is_cut=True)
    assert weight.codes.size <= 64 - 16
    return array, with_checksum(weight, codes=np.append(weight.codes, np.full(16, 255, np.uint8)))


def last_packets_cut_with_low_bits() -> Case:
    """An odd number of entries; fill symbols of what is cut off have no low bits."""
    array, weight = of(random_sparse((9, 193), 0.4, 60), low_bits=True, packet=128, is_cut=True)
    assert weight.entries % 2
    assert weight.codes.size > 128
    assert weight.codes.size % 128
    return array, weight


def most_codewords_of_a_packet() -> Case:
    """2048 of one bit, and then eight bytes more."""
    array, weight = of(random_sparse((3, 700), 1.0, 2), gaps=False, packet=256, is_cut=True)
    assert weight.codes.size == 256 + 8
    return array, weight


BUILDERS: list[Callable[[], Case]] = [
    one_code, one_code_and_companion_beyond_the_codebook, one_gap, one_code_one_gap, codes_256, codes_256_dense,
    codes_256_with_low_bits, low_bits_with_gaps, low_bits_of_an_odd_number, low_bits_of_one_entry,
    low_bits_of_few_codes, low_bits_with_listed_symbols, longest_codewords, gaps_256, listed_symbols_in_order,
    gap_table_of_12_bytes, two_codewords_for_one_symbol, no_codeword_of_one_bit, full_last_packet,
    many_fill_symbols, packets_that_end_early, several_packets, last_packets_cut,
    only_packet_cut, last_packet_cut_and_full, last_packet_longer_than_it_must_be, last_packets_cut_with_low_bits,
    most_codewords_of_a_packet,
]  # fmt: skip
