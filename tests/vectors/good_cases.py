"""All good vectors: one weight for each legal case of the format."""

from __future__ import annotations

import numpy as np

from tests.vectors import good_integers, good_plain, good_streams, good_values
from tests.vectors.weights import Case, of, random_sparse


def all_cases() -> dict[str, Case]:
    """Every case by name: the dense weight and its weight group."""
    builders = [*good_values.BUILDERS, *good_streams.BUILDERS, *good_integers.BUILDERS, *good_plain.BUILDERS]
    cases = {build.__name__: build() for build in builders}
    cases |= {f"index_bits_{bits}": index_bits_case(bits) for bits in range(1, 9)}
    return cases | {f"packet_{packet}": packet_case(packet) for packet in (8, 16, 64, 128, 256)}


def index_bits_case(index_bits: int) -> Case:
    """Distances on both sides of the largest gap and of its multiples, with fillers."""
    reach = min(2**index_bits, 255)
    positions = np.cumsum([1, reach - 1, reach, reach + 1, 2 * reach, 2 * reach + 1, 3 * reach])
    array = np.zeros(positions[-1] + reach + 3, np.float32)
    array[positions] = np.tile([0.1, -0.2], 4)[: len(positions)]
    return of(array, index_bits=index_bits)


def packet_case(packet: int) -> Case:
    return of(random_sparse((20, 30), 0.3, 31), packet=packet)
