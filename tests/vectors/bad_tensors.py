"""The bad vectors, first half: what is wrong in the codebook, the step, types, the extent, attributes or the form.

Each case breaks one rule of docs/format.md section 7, is right in all that the table asks before it, and is named
`<rule>--<fault>`. Its checksum is right.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import ml_dtypes
import numpy as np

from onnxdc.numeric.weight import CompressedWeight
from tests.vectors.good_integers import (
    grid_of_each_row,
    grid_of_float16,
    grid_of_float64,
    grid_of_some_channels,
    int8_dense,
    int8_in_groups,
)
from tests.vectors.slow_encoder import with_checksum
from tests.vectors.weights import encode, grouped, random_sparse, steps

Cases = dict[str, CompressedWeight]

GAPS = encode(random_sparse((6, 20), 0.6, 5), index_bits=3, packet=8)  # several packets in both streams
DENSE = encode(random_sparse((6, 20), 1.0, 5), gaps=False, packet=8)
ZERO = encode(np.zeros((6, 20), np.float32))
NOTHING = np.zeros(0, np.uint8)


def all_cases() -> Cases:
    """Every case by name."""
    groups = (
        codebook_type_cases, codebook_shape_cases, step_cases, tensor_type_cases, extent_cases, group_cases,
        packet_cases, form_cases, zero_cases,
    )  # fmt: skip
    return {name: weight for group in groups for name, weight in group().items()}


def changed(rule: str, weight: CompressedWeight, tensor: str, faults: Mapping[str, np.ndarray]) -> Cases:
    """A weight with other contents of one tensor, for each fault of a rule."""
    return {f"{rule}--{name}": with_checksum(weight, **{tensor: array}) for name, array in faults.items()}


def all_of(integer: int, dtype: type) -> CompressedWeight:
    """A weight without entries whose elements are all of one integer, in its type or not."""
    weight = encode(np.zeros((6, 20), np.int8).astype(dtype))
    return with_checksum(weight, codebook=np.array([[integer]], weight.codebook.dtype))


def codebook_type_cases() -> Cases:
    codebook = GAPS.codebook
    half = encode(random_sparse((6, 20), 0.6, 5, np.float16))
    grid, integers = grid_of_each_row()[1], int8_dense()[1]
    whole = np.array([[0, 1, 2, 3, 4, 5]])
    nibbles = encode(random_sparse((6, 20), 0.6, 5).round().clip(-8, 7).astype(ml_dtypes.int4))
    return {
        **changed("codebook-type", GAPS, "codebook", {
            "int8_without_step": whole.astype(np.int8),
            "int32": whole.astype(np.int32),
            "wider_than_dtype": codebook.astype(np.float64),
        }),
        **changed("codebook-type", grid, "codebook", {
            "float32_with_step": grid.codebook.astype(np.float32),
            "uint8_with_step": np.abs(grid.codebook).astype(np.uint8),
            "int32_with_step": grid.codebook.astype(np.int32),
        }),
        **changed("codebook-type", integers, "codebook", {
            "uint8_for_int8": integers.codebook.view(np.uint8),
            "int16_for_int8": integers.codebook.astype(np.int16),
            "float16_for_int8": integers.codebook.astype(np.float16),
        }),
        "codebook-type--int8_for_uint8": replace(integers, dtype=np.dtype(np.uint8)),
        "codebook-type--out_of_int4": with_checksum(nibbles, codebook=nibbles.codebook + np.int8(8)),
        "codebook-type--out_of_uint4": with_checksum(
            replace(nibbles, dtype=np.dtype(ml_dtypes.uint4)), codebook=nibbles.codebook.astype(np.uint8)
        ),
        "codebook-type--zero_point_out_of_uint4": all_of(16, ml_dtypes.uint4),
        "codebook-type--zero_point_out_of_int4": all_of(-9, ml_dtypes.int4),
        "codebook-type--int8_for_uint4": replace(integers, dtype=np.dtype(ml_dtypes.uint4)),
        "codebook-type--bfloat16_for_float16": with_checksum(half, codebook=half.codebook.astype(ml_dtypes.bfloat16)),
        "codebook-type--float16_for_bfloat16": replace(half, dtype=np.dtype(ml_dtypes.bfloat16)),
        "codebook-type--dtype_int32": replace(half, dtype=np.dtype(np.int32)),
    }  # fmt: skip


def codebook_shape_cases() -> Cases:
    codebook, grid = GAPS.codebook, grid_of_each_row()[1]
    many = np.zeros((1, 257), np.float32)
    many[:, : codebook.size] = codebook
    return {
        **changed("codebook-shape", GAPS, "codebook", {
            "rank_1": codebook[0],
            "rank_3": codebook[None],
            "no_groups": codebook[:0],
            "257_codes": many,
        }),
        **changed("codebook-shape", ZERO, "codebook", {"no_codes": codebook[:, :0]}),
        **changed("codebook-shape", grid, "codebook", {
            "two_rows_with_step": np.repeat(grid.codebook, 2, axis=0),
            "a_row_for_each_step": np.repeat(grid.codebook, len(grid.step), axis=0),
            "rank_1_with_step": grid.codebook[0],
        }),
    }  # fmt: skip


def step_cases() -> Cases:
    grid, integers = grid_of_each_row()[1], int8_dense()[1]
    values = grid.step[:, 0].tolist()
    with_last = {
        "zero": 0.0,
        "negative": -0.5,
        "too_small": 2.0**-101,
        "too_large": 2.0**101,
        "above_the_largest": 17 * 2.0**96,
        "infinite": np.inf,
        "nan": np.nan,
    }
    too_long = {
        "five_bits": with_checksum(grid_of_float16()[1], step=steps(17 * 2.0**-6)),
        "many_bits": with_checksum(grid_of_float64()[1], step=steps(0.1)),
    }
    return {
        **{f"step--{name}": weight for name, weight in too_long.items()},
        **changed("step", grid, "step", {name: steps(*values[:-1], last) for name, last in with_last.items()}),
        **changed("step", grid, "step", {
            "float64": grid.step.astype(np.float64),
            "rank_1": grid.step[:, 0],
            "two_columns": np.repeat(grid.step, 2, axis=1),
            "no_groups": grid.step[:0],
        }),
        "step--for_integers": with_checksum(integers, step=steps(1.0)),
    }  # fmt: skip


def tensor_type_cases() -> Cases:
    weight = encode(random_sparse((6, 20), 0.6, 5), low_bits=True)
    wrong = {
        "code_table_int8": {"code_table": weight.code_table.view(np.int8)},
        "code_table_rank_2": {"code_table": weight.code_table[None]},
        "codes_int8": {"codes": weight.codes.view(np.int8)},
        "codes_rank_2": {"codes": weight.codes.reshape(-1, weight.packet)},
        "low_bits_int8": {"low_bits": weight.low_bits.view(np.int8)},
        "low_bits_rank_2": {"low_bits": weight.low_bits[:, None]},
        "gap_table_uint16": {"gap_table": weight.gap_table.astype(np.uint16)},
        "gap_table_rank_0": {"gap_table": weight.gap_table[0].reshape(())},
        "gaps_int32": {"gaps": weight.gaps.astype(np.int32)},
        "gaps_rank_2": {"gaps": weight.gaps.reshape(-1, weight.packet)},
        "extent_int32": {"extent": weight.extent.astype(np.int32)},
        "extent_rank_0": {"extent": np.array(120, np.int64)},
        "extent_rank_2": {"extent": weight.extent[None]},
    }
    return {f"tensor-type--{name}": with_checksum(weight, **tensors) for name, tensors in wrong.items()}


def extent_cases() -> Cases:
    entries, zero = GAPS.entries, GAPS.zero
    faults = {
        "nothing": [],
        "no_code_of_zero": [entries],
        "rank_33": [entries, zero, 6, 20] + [1] * 31,
        "negative_dimensions": [entries, zero, -6, -20],
        "two_to_the_31": [entries, zero, 2**15, 2**16],
        "product_wraps_to_0": [entries, zero, 2**32, 2**32],
        "product_wraps_to_120": [entries, zero, 2**61 + 15, 8],
        "more_entries_than_elements": [121, zero, 6, 20],
        "entries_negative": [-1, zero, 6, 20],
        "entries_beyond_64_bits_of_bytes": [2**62, zero, 6, 20],
        "zero_negative": [entries, -1, 6, 20],
        "zero_beyond_codebook": [entries, GAPS.codebook.shape[1], 6, 20],
        "zero_beyond_32_bits": [entries, 2**32 + zero, 6, 20],
    }
    of_nothing = {
        "two_to_the_31_beside_zero": [0, 0, 0, 2**31],
        "negative_beside_zero": [0, 0, 0, -20],
        "entries_of_nothing": [1, 0, 6, 0],
    }
    arrays = {name: np.array(extent, np.int64) for name, extent in (faults | of_nothing).items()}
    return {
        **changed("extent", GAPS, "extent", {name: arrays[name] for name in faults}),
        **changed("extent", ZERO, "extent", {name: arrays[name] for name in of_nothing}),
    }


def group_cases() -> Cases:
    two, scalar = encode(grouped((6, 20), 2, 0), groups=2), encode(np.array(0.1, np.float32))
    four = np.tile(two.codebook, (2, 1))
    grid = grid_of_some_channels()[1]
    return {
        "groups--axis_beyond_rank": replace(two, group_axis=2),
        "groups--axis_negative": replace(two, group_axis=-2),
        "groups--no_divisor": with_checksum(two, codebook=four),
        "groups--more_than_the_dimension": with_checksum(two, codebook=np.tile(four, (3, 1))),
        "groups--scalar": with_checksum(scalar, codebook=np.tile(scalar.codebook, (2, 1))),
        "groups--axis_of_steps_beyond_rank": replace(grid, group_axis=4),
        "groups--no_divisor_of_steps": with_checksum(grid, step=np.tile(grid.step, (2, 1))),
    }


def packet_cases() -> Cases:
    sizes = {"0": 0, "4": 4, "24": 24, "192": 192, "512": 512, "negative": -8, "beyond_32_bits": 2**32 + 8}
    return {
        **{f"packet-size--{name}": replace(GAPS, packet=size) for name, size in sizes.items()},
        **changed("packet-size", GAPS, "codes", {"codes_end_early": GAPS.codes[:-1]}),
        **changed("packet-size", GAPS, "gaps", {
            "gaps_go_on": np.append(GAPS.gaps, np.uint8(255)),
            "gaps_half_of_eight": GAPS.gaps[:-4],
        }),
        **changed("packet-size", GAPS, "codes", {"codes_half_of_eight": GAPS.codes[:-4]}),
    }  # fmt: skip


def form_cases() -> Cases:
    low = encode(random_sparse((6, 20), 1.0, 40), gaps=False, low_bits=True)
    of_nothing = {"codes": GAPS.codes[:8], "gaps": GAPS.gaps[:8]}
    return {
        "form--fewer_entries_than_elements": with_checksum(DENSE, extent=np.array([120, 0, 9, 16])),
        "form--gaps_left_out": with_checksum(GAPS, gaps=NOTHING, gap_table=NOTHING),
        "form--codes_without_entries": with_checksum(ZERO, packet=8, codes=of_nothing["codes"]),
        "form--codes_and_table_without_entries": with_checksum(
            ZERO, packet=8, codes=of_nothing["codes"], code_table=GAPS.code_table
        ),
        "form--gaps_without_entries": with_checksum(ZERO, packet=8, gaps=of_nothing["gaps"], gap_table=GAPS.gap_table),
        "form--code_table_without_entries": with_checksum(ZERO, code_table=GAPS.code_table),
        "form--gap_table_without_entries": with_checksum(ZERO, gap_table=GAPS.gap_table),
        "form--low_bits_without_entries": with_checksum(ZERO, low_bits=low.low_bits),
        "form--dense_without_codes": with_checksum(DENSE, codes=NOTHING, code_table=NOTHING),
        "form--gaps_without_codes": with_checksum(GAPS, codes=NOTHING, code_table=NOTHING),
        "form--low_bits_without_codes": with_checksum(low, codes=NOTHING, code_table=NOTHING),
        "form--code_of_zero_in_the_dense_form": with_checksum(DENSE, extent=np.array([120, 1, 6, 20])),
    }


def zero_cases() -> Cases:
    not_zero, negative_zero = GAPS.codebook.copy(), GAPS.codebook.copy()
    not_zero[0, 0], negative_zero[0, 0] = 1, -0.0
    second = encode(grouped((6, 20), 2, 0), groups=2)
    second_group = second.codebook.copy()
    second_group[1, 0] = 3
    integers = int8_in_groups()[1]
    other_integer = integers.codebook.copy()
    other_integer[1, 0] = 1
    grid = grid_of_some_channels()[1]
    other = grid.extent.copy()
    other[1] = 0
    return {
        "zero--not_zero": with_checksum(GAPS, codebook=not_zero),
        "zero--negative_zero": with_checksum(GAPS, codebook=negative_zero),
        "zero--second_group": with_checksum(second, codebook=second_group),
        "zero--integer_of_a_grid": with_checksum(grid, extent=other),
        "zero--of_integers_in_groups": with_checksum(integers, codebook=other_integer),
        "zero--of_no_integers_in_groups": with_checksum(all_of(1, np.int8), codebook=np.array([[1], [2]], np.int8)),
        "zero--of_no_entries": with_checksum(ZERO, codebook=np.ones((1, 1), np.float16)),
        "zero--subnormal": with_checksum(ZERO, codebook=np.array([[2.0**-149]], np.float32)),
    }
