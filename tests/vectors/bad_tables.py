"""The bad vectors, first half: what is wrong in the codebook, the types, the attributes or the code lengths.

Each case breaks one rule of docs/format.md section 6, is right in all that the table asks before it, and is named
`<rule>--<fault>`. Its checksum is right.
"""

from __future__ import annotations

from dataclasses import replace

import ml_dtypes
import numpy as np

from onnxdc.numeric.weight import CompressedWeight
from tests.vectors.good_cases import grouped, random_sparse
from tests.vectors.slow_encoder import Draft, draft, encode, seal, with_checksum

Cases = dict[str, CompressedWeight]

FLAT = random_sparse((6, 20), 0.8, 5)  # two chunks of 64 entries with gaps, the second not full
ZERO = np.zeros((6, 20), np.float32)


def all_cases() -> Cases:
    """Every case by name."""
    groups = (
        codebook_cases, tensor_type_cases, shape_cases, group_cases, attribute_cases, length_count_cases,
        length_range_cases, kraft_cases,
    )  # fmt: skip
    return {name: weight for group in groups for name, weight in group().items()}


def flat(**choices: object) -> Draft:
    """The draft most cases spoil."""
    return draft(FLAT, index_bits=3, chunk_size=64, **choices)  # type: ignore[arg-type]


def codebook_cases() -> Cases:
    good = seal(flat())
    codebook = good.codebook
    not_zero, negative_zero = codebook.copy(), codebook.copy()
    not_zero[0, 0], negative_zero[0, 0] = 1, -0.0
    half = encode(FLAT.astype(np.float16))
    second = encode(grouped((6, 20), 2, 0), groups=2)
    second_group = second.codebook.copy()
    second_group[1, 0] = 3
    many = np.zeros((1, 257), np.float32)
    return {
        "codebook-type--integers": with_checksum(good, codebook=np.array([[0, 1, 2, 3, 4, 5]], np.int8)),
        "codebook-type--wider_than_dtype": with_checksum(good, codebook=codebook.astype(np.float64)),
        "codebook-type--bfloat16_for_float16": with_checksum(half, codebook=half.codebook.astype(ml_dtypes.bfloat16)),
        "codebook-type--float16_for_bfloat16": replace(half, dtype=np.dtype(ml_dtypes.bfloat16)),
        "codebook-type--dtype_int32": replace(half, dtype=np.dtype(np.int32)),
        "codebook-shape--rank_1": with_checksum(good, codebook=codebook[0]),
        "codebook-shape--rank_3": with_checksum(good, codebook=codebook[None]),
        "codebook-shape--no_groups": with_checksum(good, codebook=codebook[:0]),
        "codebook-shape--no_codes": with_checksum(encode(ZERO), codebook=codebook[:, :0], code_lengths=good.codes[:0]),
        "codebook-shape--257_codes": seal(flat(codebook=np.hstack([codebook, many[:, codebook.size :]]))),
        "codebook-zero--not_zero": with_checksum(good, codebook=not_zero),
        "codebook-zero--negative_zero": with_checksum(good, codebook=negative_zero),
        "codebook-zero--second_group": with_checksum(second, codebook=second_group),
    }


def tensor_type_cases() -> Cases:
    good = seal(flat())
    wrong = {
        "code_lengths_uint16": {"code_lengths": good.code_lengths.astype(np.uint16)},
        "code_lengths_rank_2": {"code_lengths": good.code_lengths[None]},
        "codes_int8": {"codes": good.codes.view(np.int8)},
        "codes_rank_2": {"codes": good.codes[None]},
        "gap_lengths_int8": {"gap_lengths": good.gap_lengths.view(np.int8)},
        "gap_lengths_rank_0": {"gap_lengths": good.gap_lengths[0].reshape(())},
        "gaps_int32": {"gaps": good.gaps.astype(np.int32)},
        "gaps_rank_2": {"gaps": good.gaps[:, None]},
        "chunks_int64": {"chunks": good.chunks.astype(np.int64)},
        "chunks_rank_1": {"chunks": good.chunks.reshape(-1)},
        "chunks_3_columns": {"chunks": good.chunks[:, :3].copy()},
        "chunks_5_columns": {"chunks": np.pad(good.chunks, ((0, 0), (0, 1)))},
        "shape_int32": {"shape": good.shape.astype(np.int32)},
        "shape_rank_0": {"shape": np.array(120, np.int64)},
        "shape_rank_2": {"shape": good.shape[None]},
    }
    return {f"tensor-type--{name}": with_checksum(good, **tensors) for name, tensors in wrong.items()}


def shape_cases() -> Cases:
    good, zero = seal(flat()), encode(ZERO)
    return {
        "shape--negative": with_checksum(good, shape=np.array([-6, -20])),
        "shape--rank_33": with_checksum(good, shape=np.array([6, 20] + [1] * 31)),
        "shape--two_to_the_31_beside_zero": with_checksum(zero, shape=np.array([0, 2**31])),
        "shape--negative_beside_zero": with_checksum(zero, shape=np.array([0, -20])),
        "shape--two_to_the_31": with_checksum(zero, shape=np.array([2**15, 2**16])),
        "shape--product_wraps_to_0": with_checksum(zero, shape=np.array([2**32, 2**32])),
        "shape--product_wraps_to_120": with_checksum(good, shape=np.array([2**61 + 15, 8])),
    }


def group_cases() -> Cases:
    two, scalar = encode(grouped((6, 20), 2, 0), groups=2), encode(np.array(0.1, np.float32))
    four = np.tile(two.codebook, (2, 1))
    return {
        "groups--axis_beyond_rank": replace(two, group_axis=2),
        "groups--axis_negative": replace(two, group_axis=-2),
        "groups--no_divisor": with_checksum(two, codebook=four),
        "groups--more_than_the_dimension": with_checksum(two, codebook=np.tile(four, (3, 1))),
        "groups--scalar": with_checksum(scalar, codebook=np.tile(scalar.codebook, (2, 1))),
    }


def attribute_cases() -> Cases:
    good = encode(random_sparse((6, 20), 0.2, 5), index_bits=4)
    gapless = encode(FLAT, gaps=False)
    bits = {"0": 0, "9": 9, "negative": -1, "beyond_32_bits": 2**32 + 4}
    sizes = {"0": 0, "32": 32, "96": 96, "131072": 131072, "negative": -64, "beyond_32_bits": 2**32 + 64}
    return {
        **{f"index-bits--{name}": replace(gapless, index_bits=value) for name, value in bits.items()},
        **{f"chunk-size--{name}": replace(good, chunk_size=value) for name, value in sizes.items()},
    }


def length_count_cases() -> Cases:
    even = np.pad(flat().codebook, ((0, 0), (0, 2)))
    unused = seal(flat(codebook=even))
    odd = encode(random_sparse((6, 20), 0.8, 4), chunk_size=64)
    nibble = odd.code_lengths.copy()
    nibble[-1] |= 0x20
    two_bits = draft(random_sparse((6, 20), 0.3, 5), index_bits=2, gap_lengths=[2, 2, 2, 3, 3])
    padded = draft(random_sparse((6, 20), 0.3, 5), index_bits=2, gap_lengths=[2, 2, 2, 2, 0, 0])
    return {
        "length-count--codes_short": with_checksum(unused, code_lengths=unused.code_lengths[:-1]),
        "length-count--codes_long": with_checksum(unused, code_lengths=np.append(unused.code_lengths, np.uint8(0))),
        "length-count--codes_odd": with_checksum(odd, code_lengths=nibble),
        "length-count--gaps_beyond_index_bits": seal(two_bits),
        "length-count--gaps_long": seal(padded),
    }


def length_range_cases() -> Cases:
    thirteen, fifteen = [*range(1, 14), 13], [*range(1, 16), 15]
    array = random_sparse((6, 20), 0.8, 13)
    return {
        "length-range--codes_13": encode(array, code_lengths=thirteen),
        "length-range--codes_15": encode(random_sparse((6, 20), 0.8, 15, seed=1), code_lengths=fifteen),
        "length-range--gaps_13": encode(array, gap_lengths=thirteen),
        "length-range--gaps_15": encode(array, gap_lengths=fifteen),
    }


def kraft_cases() -> Cases:
    """The streams hold only symbols whose codewords are sound, so a decoder that skips the rule would read them."""
    array = random_sparse((6, 20), 0.8, 2)
    codebook = np.pad(encode(array).codebook, ((0, 0), (0, 2)))  # 5 codes, the last two unused
    crowd = np.pad(codebook[:, :2], ((0, 0), (0, 254)))
    one = draft(np.full((6, 20), 0.1, np.float32))
    two_bits = ["00" * 120]
    cases = {
        "codes_incomplete": draft(array, codebook=codebook, code_lengths=[3, 3, 3, 3, 3]),
        "codes_oversubscribed": draft(array, codebook=codebook, code_lengths=[1, 2, 3, 3, 4]),
        "codes_256_of_length_1": replace(one, codebook=crowd, code_lengths=[1] * 256, code_bits=["1" * 120]),
        "codes_one_of_length_2": replace(one, code_lengths=[0, 2], code_bits=two_bits),
        "codes_none_used": replace(one, code_lengths=[0, 0]),
        "codes_incomplete_without_stream": replace(draft(ZERO), code_lengths=[2]),
        "gaps_incomplete": draft(array, gap_lengths=[3] * 7),
        "gaps_oversubscribed": draft(array, gap_lengths=[1, 2, 3, 3, 4]),
        "gaps_one_of_length_2": replace(one, gap_lengths=[2], gap_bits=two_bits),
        "gaps_none_used": replace(one, gap_lengths=[0]),
        "gaps_without_lengths": replace(one, gap_lengths=[]),
        "gaps_incomplete_without_stream": replace(draft(ZERO), gap_lengths=[2, 2]),
    }
    return {f"kraft--{name}": seal(parts) for name, parts in cases.items()}
