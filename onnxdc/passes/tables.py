"""Let weights of nearly equal statistics share Huffman tables, which a portable body has to unfold one by one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from onnxdc.numeric.encoding import code_histogram, gap_histogram, table_of, with_tables
from onnxdc.numeric.huffman import MAX_LENGTH
from onnxdc.numeric.weight import PACKETS, CompressedWeight

_LOSS: Final = 0.004  # of a stream that a shared table may cost, a choice
_SHORT_LOSS: Final = 0.003  # of all weights that codewords of two bits or more may cost, a choice
_SLOTS_BYTES: Final = 170  # that a portable body spares with them: four calls of a function
_SYMBOL_BYTES: Final = 12  # that may be spent to spare a codeword of a table, a choice: it takes 0.1 MB in onnxruntime
_TABLE_BYTES: Final = 40  # that a table of its own takes besides its content: name, type, shape, two references
# What the size of packets costs, in bytes: of a packet, what is left at its end; of a stream, the share of its last
# packet that is empty; and what a portable body takes for each byte that it steps over.
_LEFT: Final = 0.375
_LAST: Final = 0.6
_BODY: Final = 8


@dataclass
class _Cluster:
    """Streams that share a table.

    Attributes:
        members: The indices of their weights.
        histogram: How often each symbol occurs in all of them, int64 [256].
        nbytes: What their codewords take.
    """

    histogram: np.ndarray
    nbytes: float
    members: list[int] = field(default_factory=list)


def share_tables(weights: Sequence[CompressedWeight]) -> list[CompressedWeight]:
    """Code weights anew with tables that they share, where that costs next to nothing.

    Each weight joins the cluster that its streams fit best, one of those before it, or founds one. Codewords of one bit
    are avoided if that costs next to nothing, too: a byte then completes four codewords at most, not eight.
    """
    codes = _clusters(weights, lambda weight: weight.code_table.size > 0, code_histogram, is_gap=False)
    gaps = _clusters(weights, lambda weight: weight.gap_table.size > 0, gap_histogram, is_gap=True)
    one, two = (
        _coded_bytes(codes, shortest, is_gap=False) + _coded_bytes(gaps, shortest, is_gap=True) for shortest in (1, 2)
    )
    allowed = _SLOTS_BYTES + _SHORT_LOSS * sum(weight.nbytes for weight in weights)
    shortest = 2 if two <= one + allowed else 1
    packet = _packet(one, sum(len(cluster.members) for cluster in (*codes, *gaps)))
    code_tables = dict(_tables(codes, shortest, is_gap=False))
    gap_tables = dict(_tables(gaps, shortest, is_gap=True))
    shared = []
    for index, weight in enumerate(weights):
        tables = code_tables.get(index, weight.code_table), gap_tables.get(index, weight.gap_table)
        own = weight.code_table, weight.gap_table
        same = all(ours.tobytes() == its.tobytes() for ours, its in zip(tables, own, strict=True))
        has_packets = index in code_tables or index in gap_tables
        same &= weight.packet == packet or not has_packets
        shared.append(weight if same else with_tables(weight, *tables, packet))
    return shared


def _packet(nbytes: float, streams: int) -> int:
    """Return the size of packets that makes the file smallest: fits of what was measured for each size."""

    def cost(packet: int) -> float:
        return _LEFT * nbytes / packet + (_BODY + _LAST * streams) * packet

    return min(PACKETS, key=cost)


def _clusters(
    weights: Sequence[CompressedWeight],
    has_stream: Callable[[CompressedWeight], bool],
    histogram: Callable[[CompressedWeight], np.ndarray],
    *,
    is_gap: bool,
) -> list[_Cluster]:
    """Return the clusters of the weights' streams of one kind; those with low bits are among themselves."""
    clusters: dict[bool, list[_Cluster]] = {False: [], True: []}
    for index, weight in enumerate(weights):
        if has_stream(weight):
            own = histogram(weight)
            _join(clusters[not is_gap and weight.low_bits.size > 0], index, own, is_gap=is_gap)
    return [*clusters[False], *clusters[True]]


def _join(clusters: list[_Cluster], index: int, histogram: np.ndarray, *, is_gap: bool) -> None:
    own = _nbytes(histogram, is_gap=is_gap)
    best: tuple[float, _Cluster, float] | None = None
    allowed = _LOSS * own + _TABLE_BYTES + _SYMBOL_BYTES * np.count_nonzero(histogram)
    for cluster in clusters:
        together = _nbytes(cluster.histogram + histogram, is_gap=is_gap)
        loss = together - cluster.nbytes - own
        if loss <= allowed and (best is None or loss < best[0]):
            best = (loss, cluster, together)
    if best is None:
        clusters.append(_Cluster(histogram, own, [index]))
        return
    _, cluster, together = best
    cluster.histogram, cluster.nbytes = cluster.histogram + histogram, together
    cluster.members.append(index)


def _coded_bytes(clusters: Sequence[_Cluster], shortest: int, *, is_gap: bool) -> float:
    return sum(_nbytes(cluster.histogram, shortest, is_gap=is_gap) for cluster in clusters)


def _nbytes(histogram: np.ndarray, shortest: int = 1, *, is_gap: bool) -> float:
    """Return what codewords for these symbols take, and their table."""
    table = table_of(histogram, is_gap=is_gap, shortest=shortest)
    lengths = np.repeat(np.arange(1, MAX_LENGTH + 1), table[:MAX_LENGTH])
    symbols = table[MAX_LENGTH:] if table.size > MAX_LENGTH else np.arange(lengths.size)
    return float((histogram[symbols] * lengths).sum()) / 8 + table.size


def _tables(clusters: Sequence[_Cluster], shortest: int, *, is_gap: bool) -> Iterator[tuple[int, np.ndarray]]:
    """Yield the tables of the clusters, with the index of each weight."""
    for cluster in clusters:
        table = table_of(cluster.histogram, is_gap=is_gap, shortest=shortest)
        yield from ((index, table) for index in cluster.members)
