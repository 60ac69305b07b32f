"""Let weights of integers share a codebook: the order of one starts like that of another if they have one centre."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np

from onnxdc.numeric.arrays import INTEGER_TYPES
from onnxdc.numeric.encoding import with_codebook
from onnxdc.numeric.weight import CompressedWeight

_Key: TypeAlias = tuple[np.dtype, int]  # a type of integers, and the one that comes first in a codebook


def share_codebooks(weights: Sequence[CompressedWeight]) -> list[CompressedWeight]:
    """Give each weight of integers the longest codebook that begins like its own: equal tensors are stored once.

    Args:
        weights: Weights as ``encode_weight`` returns them; those of floats stay as they are.
    """
    longest: dict[_Key, np.ndarray] = {}
    for weight in weights:
        key = _key(weight)
        if key is not None and weight.codebook.size > longest.get(key, weight.codebook[:, :0]).size:
            longest[key] = weight.codebook
    return [_with_longer(weight, longest.get(key)) if (key := _key(weight)) else weight for weight in weights]


def _key(weight: CompressedWeight) -> _Key | None:
    """Return what the codebooks have in common that may become one; None for floats, and for what has no entries.

    The codebook of a weight without entries says where it was, so it is never one with others.
    """
    is_sharing = weight.dtype in INTEGER_TYPES and weight.entries > 0
    return (weight.dtype, int(weight.codebook[0, 0])) if is_sharing else None


def _with_longer(weight: CompressedWeight, codebook: np.ndarray | None) -> CompressedWeight:
    size = weight.codebook.shape[1]
    if codebook is None or codebook.shape[1] == size or not np.array_equal(codebook[:, :size], weight.codebook):
        return weight
    return with_codebook(weight, codebook)
