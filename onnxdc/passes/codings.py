"""In which ways the weights of a model can be coded together, so that the smallest can be chosen.

Large models are coded in one way. In a small one, what portable bodies take is a notable part of the file, and a weight
that is coded in another way than it would be by itself may spare a part of them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import product
from typing import Final

from onnxdc.numeric.arrays import BFLOAT16, INTEGER_TYPES
from onnxdc.numeric.decoding import decode_weight
from onnxdc.numeric.encoding import encode_weight, plain, without_bfloat16
from onnxdc.numeric.weight import CompressedWeight
from onnxdc.passes.codebooks import share_codebooks
from onnxdc.passes.tables import share_tables

_SMALL: Final = 1 << 14  # entries: what bodies take is less than what Huffman coding saves of more of them
_FEW: Final = 1 << 16  # elements in the gap form, a choice: more of them save what the bodies for that form take


def codings(
    weights: Sequence[CompressedWeight], sparse: Sequence[bool], index_bits: Sequence[int]
) -> Iterator[list[CompressedWeight]]:
    """Yield ways to code weights: with tables that they share, and if there is little of them, plain or with gaps.

    Args:
        weights: The weights as they are by themselves.
        sparse: For each weight whether sparse operators take it: their portable bodies are apart from the others'.
        index_bits: For each weight the bits of its gaps, if it gets some.
    """
    of_each = list(zip(weights, index_bits, sparse, strict=True))
    sets = ([(weight, bits) for weight, bits, each in of_each if each is kind] for kind in (False, True))
    for way in product(*map(_ways, sets)):
        in_order = [iter(chosen) for chosen in way]
        yield share_codebooks(share_tables([next(in_order[is_sparse]) for is_sparse in sparse]))


def _ways(given: list[tuple[CompressedWeight, int]]) -> Iterator[list[CompressedWeight]]:
    """Yield in which ways weights whose bodies are together can be coded; each comes with the bits of its gaps."""
    weights = [weight for weight, _ in given]
    yield weights
    with_gaps = [weight for weight in weights if weight.gaps.size]
    if 0 < sum(math.prod(weight.shape) for weight in with_gaps) <= _FEW and len(with_gaps) < len(weights):
        yield [_without_gaps(weight) for weight in weights]
    has_floats = any(weight.dtype not in INTEGER_TYPES for weight in weights)  # a byte a code spares integers nothing
    if has_floats and sum(weight.entries for weight in weights) <= _SMALL:
        yield [plain(weight) for weight in weights]
        if any(weight.is_dense for weight in weights):
            with_gaps = [_with_gaps(weight, bits) for weight, bits in given]
            yield with_gaps
            yield [plain(weight) for weight in with_gaps]


def _without_gaps(weight: CompressedWeight) -> CompressedWeight:
    """Return a weight in the dense form."""
    if not weight.gaps.size:
        return weight
    coded = encode_weight(decode_weight(weight), group_axis=weight.group_axis, gaps=False)
    return coded if weight.codebook.dtype == BFLOAT16 else without_bfloat16(coded)


def _with_gaps(weight: CompressedWeight, index_bits: int) -> CompressedWeight:
    """Return a weight in the gap form, if it has zeros."""
    if not weight.is_dense or weight.groups > 1:
        return weight
    coded = encode_weight(decode_weight(weight), index_bits=index_bits, group_axis=weight.group_axis, gaps=True)
    return coded if weight.codebook.dtype == BFLOAT16 else without_bfloat16(coded)
