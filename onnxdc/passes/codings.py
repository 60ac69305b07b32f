"""In which ways the weights of a model can be coded together, so that the smallest can be chosen.

Large models are coded in one way. In a small one, what portable bodies take is a notable part of the file, and a weight
that is coded in another way than it would be by itself may spare a part of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from typing import Final

from onnxdc.numeric.arrays import BFLOAT16
from onnxdc.numeric.decoding import decode_weight
from onnxdc.numeric.encoding import encode_weight, plain, without_bfloat16
from onnxdc.numeric.weight import CompressedWeight
from onnxdc.passes.tables import share_tables

_SMALL: Final = 1 << 14  # entries: what bodies take is less than what Huffman coding saves of more of them


def codings(weights: Sequence[CompressedWeight], sparse: Sequence[bool]) -> Iterator[list[CompressedWeight]]:
    """Yield ways to code weights: with tables that they share, and if there is little of them, plain or with gaps.

    Args:
        weights: The weights as they are by themselves.
        sparse: For each weight whether sparse operators take it: their portable bodies are apart from the others'.
    """
    ways: list[dict[int, list[CompressedWeight]]] = []
    for kind in (False, True):
        chosen = [weight for weight, is_sparse in zip(weights, sparse, strict=True) if is_sparse is kind]
        ways.append(dict(enumerate(_ways(chosen))))
    for dense_way, sparse_way in product(*ways):
        queues = iter(ways[False][dense_way]), iter(ways[True][sparse_way])
        yield share_tables([next(queues[is_sparse]) for is_sparse in sparse])


def _ways(weights: list[CompressedWeight]) -> Iterator[list[CompressedWeight]]:
    """Yield in which ways weights whose bodies are together can be coded."""
    yield weights
    if weights and sum(weight.entries for weight in weights) <= _SMALL:
        yield [plain(weight) for weight in weights]
        if any(weight.is_dense for weight in weights):
            with_gaps = [_with_gaps(weight) for weight in weights]
            yield with_gaps
            yield [plain(weight) for weight in with_gaps]


def _with_gaps(weight: CompressedWeight) -> CompressedWeight:
    """Return a weight in the gap form, if it has zeros."""
    if not weight.is_dense or weight.groups > 1:
        return weight
    coded = encode_weight(decode_weight(weight), group_axis=weight.group_axis, gaps=True)
    return coded if weight.codebook.dtype == BFLOAT16 else without_bfloat16(coded)
