"""Damaged good vectors: the decoders must agree, either on the same bits or on the rule that is broken."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from onnxdc import native
from onnxdc.errors import FormatError
from onnxdc.numeric.decoding import decode_weight
from onnxdc.numeric.weight import CompressedWeight
from tests.vectors import slow_decoder, vector_file
from tests.vectors.slow_encoder import with_checksum

GOOD = sorted((Path(__file__).parents[1] / "vectors" / "good").glob("*.onnx"))
STREAM_RULES = {"truncated", "packet-fill", "code", "position"}  # the format lets a decoder name any of these
LARGEST = 50_000  # elements; the slow decoder and a dense result stay small
MUTATIONS = 24  # of each vector


def outcome(decode: Callable[[CompressedWeight], np.ndarray], weight: CompressedWeight) -> tuple[object, ...]:
    """What a decoder makes of the weight: its bits, or the rule that it names."""
    try:
        dense = decode(weight)
    except FormatError as error:
        return ("rejected", "stream" if error.rule in STREAM_RULES else error.rule)
    return ("decoded", dense.dtype, dense.shape, dense.tobytes())


def flip_bit(weight: CompressedWeight, rng: np.random.Generator) -> CompressedWeight:
    """Flip one bit of one tensor."""
    name = rng.choice([name for name in vector_file.NAMES if getattr(weight, name).size])
    tensor = getattr(weight, name)
    data = np.frombuffer(tensor.tobytes(), np.uint8).copy()
    data[rng.integers(data.size)] ^= 1 << rng.integers(8)
    return replace(weight, **{name: data.view(tensor.dtype).reshape(tensor.shape)})


def change_number(weight: CompressedWeight, rng: np.random.Generator) -> CompressedWeight:
    """Add a little to the number of entries, the code of zero or one dimension."""
    extent = weight.extent.copy()
    extent[rng.integers(extent.size)] += rng.choice([-64, -8, -1, 1, 2, 64])
    return replace(weight, extent=extent)


def resized(tensor: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The bytes without the last one, or with one more."""
    return np.append(tensor, rng.integers(256, dtype=np.uint8)) if rng.random() < 0.5 else tensor[:-1]


def change_size(weight: CompressedWeight, rng: np.random.Generator) -> CompressedWeight:
    """Resize a stream, a table or the low bits."""
    name = rng.choice(["code_table", "codes", "low_bits", "gap_table", "gaps"])
    return replace(weight, **{name: resized(getattr(weight, name), rng)})


def change_packets(weight: CompressedWeight, rng: np.random.Generator) -> CompressedWeight:
    """Leave out a packet of a stream, or repeat it."""
    name = rng.choice(["codes", "gaps"])
    packets = getattr(weight, name)
    if packets.size == 0 or packets.size % weight.packet:
        return change_size(weight, rng)
    packets = packets.reshape(-1, weight.packet)
    row = rng.integers(len(packets))
    changed = np.delete(packets, row, axis=0) if rng.random() < 0.5 else np.insert(packets, row, packets[row], axis=0)
    return replace(weight, **{name: changed.reshape(-1)})


def change_words(weight: CompressedWeight, rng: np.random.Generator) -> CompressedWeight:
    """Leave out eight bytes of a stream, or put some in: that length is legal, and a packet may be as short as that."""
    name = rng.choice(["codes", "gaps"])
    stream = getattr(weight, name)
    at = int(rng.choice([stream.size, 8 * rng.integers(stream.size // 8 + 1)]))
    words = [np.full(8, 255, np.uint8), stream[at : at + 8], rng.integers(256, size=8, dtype=np.uint8)]
    grown = np.insert(stream, at, words[rng.integers(3)])
    return replace(weight, **{name: grown if rng.random() < 0.5 else np.delete(stream, slice(at - 8, at))})


def change_table(weight: CompressedWeight, rng: np.random.Generator) -> CompressedWeight:
    """Swap two bytes of a table: its code may stay complete, but what its codewords are, or stand for, changes."""
    name = rng.choice(["code_table", "gap_table"])
    tensor = getattr(weight, name).copy()
    if tensor.size:
        a, b = rng.integers(tensor.size, size=2)
        tensor[[a, b]] = tensor[[b, a]]
    return replace(weight, **{name: tensor})


def drop_table(weight: CompressedWeight, rng: np.random.Generator) -> CompressedWeight:
    """Make packets plain bytes, or plain bytes packets."""
    name = rng.choice(["code_table", "gap_table"])
    table = np.array([2] + [0] * 11, np.uint8)[: 0 if getattr(weight, name).size else 12]
    stream = "codes" if name == "code_table" else "gaps"
    resize = rng.choice([weight.entries, -(-weight.entries // 256) * 32, getattr(weight, stream).size])
    return replace(weight, **{name: table, stream: np.resize(getattr(weight, stream), max(0, resize))})


def change_attribute(weight: CompressedWeight, rng: np.random.Generator) -> CompressedWeight:
    """Another packet or group_axis."""
    changes = [
        {"packet": int(rng.choice([4, 8, 16, 32, 64, 128, 192, 256, 512]))},
        {"group_axis": weight.group_axis + int(rng.choice([-1, 1]))},
    ]
    return replace(weight, **changes[rng.integers(len(changes))])


MUTATE = [
    *[flip_bit] * 3, change_number, change_size, change_packets, change_words, change_table, drop_table,
    change_attribute,
]  # fmt: skip


def is_large(weight: CompressedWeight) -> bool:
    """Legal, but too large for this test."""
    return LARGEST < math.prod(abs(dim) for dim in weight.shape) < 2**31


def converts_nan(weight: CompressedWeight) -> bool:
    """No encoder writes this, and what bits the NaN then gets depends on the machine."""
    return weight.codebook.dtype != weight.dtype and bool(np.isnan(weight.codebook).any())


def mutations(weight: CompressedWeight, seed: int) -> list[CompressedWeight]:
    """Damaged copies, most with the checksum of what they then hold."""
    rng = np.random.default_rng(seed)
    damaged = []
    while len(damaged) < MUTATIONS:
        mutant = MUTATE[rng.integers(len(MUTATE))](weight, rng)
        if not is_large(mutant) and not converts_nan(mutant):
            damaged.append(with_checksum(mutant) if rng.random() < 0.9 else mutant)
    return damaged


@pytest.mark.parametrize(("seed", "path"), list(enumerate(GOOD)), ids=[path.stem for path in GOOD])
def test_decoders_agree_on_damaged_vectors(seed, path):
    for mutant in mutations(vector_file.load(path), seed):
        expected = outcome(slow_decoder.decode, mutant)
        assert outcome(decode_weight, mutant) == expected, mutant
        assert outcome(native.decode_weight, mutant) == expected, mutant
