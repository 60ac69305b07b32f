"""Let weights of nearly equal statistics share Huffman tables, which a portable body has to unfold one by one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from onnxdc.numeric.arrays import INTEGER_TYPES
from onnxdc.numeric.encoding import code_histogram, gap_histogram, table_of, with_tables
from onnxdc.numeric.huffman import COUNTS, LOW_CODES, read_table
from onnxdc.numeric.weight import DEFAULT_PACKET, PACKETS, CompressedWeight

_LOSS: Final = 0.004  # of a stream that a shared table may cost, a choice
_SHORT_LOSS: Final = 0.003  # of all weights that codewords of two bits or more may cost, a choice
_SLOTS_BYTES: Final = 170  # that a portable body spares with them: four calls of a function
_SYMBOL_BYTES: Final = 12  # that may be spent to spare a codeword of a table, a choice: it takes 0.1 MB in onnxruntime
_INTEGER_BYTES: Final = 4  # the same for one of integers, which occur in large numbers, a choice
_TABLE_BYTES: Final = 40  # that a table of its own takes besides its content: name, type, shape, two references
# What the size of packets costs, in bytes: of a packet, what is left at its end; what a portable body takes for each
# byte that it steps over; and the attribute that says it, unless it is the default.
_LEFT: Final = 0.375
_BODY: Final = 6
_ATTRIBUTE: Final = 15


@dataclass(frozen=True)
class _Kind:
    """What is the same of all streams that may share a table.

    Attributes:
        is_listed: Whether their tables list what codewords stand for: those of gaps, and of codes of integers.
        scale: 16 if low bits go with them, else 1.
        is_integer: Whether they are codes of integers.
    """

    is_listed: bool
    scale: int = 1
    is_integer: bool = False

    def table(self, histogram: np.ndarray, shortest: int) -> np.ndarray:
        """Return the table of symbols that occur so often."""
        return table_of(histogram, is_listed=self.is_listed, shortest=shortest, scale=self.scale)

    def nbytes(self, histogram: np.ndarray, shortest: int = 1) -> float:
        """Return what codewords for these symbols take, and their table."""
        table = self.table(histogram, shortest)
        code = read_table(table, self.scale)
        return float((histogram[code.symbols // self.scale] * code.lengths).sum()) / 8 + table.size


_GAPS: Final = _Kind(is_listed=True)


@dataclass
class _Cluster:
    """Streams that share a table.

    Attributes:
        kind: Which streams may share it.
        histogram: How often each symbol occurs in all of them, int64 [256].
        nbytes: What their codewords take.
        members: The indices of their weights.
    """

    kind: _Kind
    histogram: np.ndarray
    nbytes: float
    members: list[int] = field(default_factory=list)

    def least(self, shortest: int) -> float:
        """Return what their codewords take if none is shorter."""
        return self.kind.nbytes(self.histogram, shortest)


def share_tables(weights: Sequence[CompressedWeight]) -> list[CompressedWeight]:
    """Code weights anew with tables that they share, where that costs next to nothing.

    Each weight joins the cluster that its streams fit best, one of those before it, or founds one. Codewords of one bit
    are avoided if that costs next to nothing, too: a byte then completes four codewords at most, not eight.
    """
    codes = _clusters((index, _kind(weight), code_histogram(weight)) for index, weight in _with(weights, "code_table"))
    gaps = _clusters((index, _GAPS, gap_histogram(weight)) for index, weight in _with(weights, "gap_table"))
    one, two = (sum(cluster.least(shortest) for cluster in (*codes, *gaps)) for shortest in (1, 2))
    allowed = _SLOTS_BYTES + _SHORT_LOSS * sum(weight.nbytes for weight in weights)
    shortest = 2 if two <= one + allowed else 1
    packet = _packet(one, sum(weight.entries > 0 for weight in weights))
    code_tables = dict(_tables(codes, shortest))
    gap_tables = dict(_tables(gaps, shortest))
    shared = []
    for index, weight in enumerate(weights):
        tables = code_tables.get(index, weight.code_table), gap_tables.get(index, weight.gap_table)
        own = weight.code_table, weight.gap_table
        same = all(ours.tobytes() == its.tobytes() for ours, its in zip(tables, own, strict=True))
        has_packets = index in code_tables or index in gap_tables
        same &= weight.packet == packet or not has_packets
        shared.append(weight if same else with_tables(weight, *tables, packet))
    return shared


def _with(weights: Sequence[CompressedWeight], table: str) -> Iterator[tuple[int, CompressedWeight]]:
    """Yield the weights that have a table, with their indices."""
    return ((index, weight) for index, weight in enumerate(weights) if getattr(weight, table).size)


def _kind(weight: CompressedWeight) -> _Kind:
    """Return which streams may share a table with the codes of a weight."""
    scale = LOW_CODES if weight.low_bits.size else 1
    is_integer = weight.dtype in INTEGER_TYPES
    return _Kind(is_integer, scale, is_integer)


def _packet(nbytes: float, weights: int) -> int:
    """Return the size of packets that makes the file smallest: fits of what was measured for each size."""

    def cost(packet: int) -> float:
        return _LEFT * nbytes / packet + _BODY * packet + _ATTRIBUTE * weights * (packet != DEFAULT_PACKET)

    return min(PACKETS, key=cost)


def _clusters(streams: Iterable[tuple[int, _Kind, np.ndarray]]) -> list[_Cluster]:
    """Return the clusters of streams, each with the index of its weight and a histogram."""
    by_kind: dict[_Kind, list[tuple[int, np.ndarray]]] = {}
    for index, kind, histogram in streams:
        by_kind.setdefault(kind, []).append((index, histogram))
    return [
        cluster
        for kind, own in by_kind.items()
        for cluster in (_merged(kind, own) if kind.is_integer else _joined(kind, own))
    ]


def _joined(kind: _Kind, streams: Sequence[tuple[int, np.ndarray]]) -> list[_Cluster]:
    """Let each stream join the cluster that it fits best, one of those before it, or found one."""
    clusters: list[_Cluster] = []
    for index, histogram in streams:
        _join(clusters, index, kind, histogram)
    return clusters


def _merged(kind: _Kind, streams: Sequence[tuple[int, np.ndarray]]) -> list[_Cluster]:
    """Let the two clusters become one that lose least by it, until all that are left would lose more than a table.

    What they lose is estimated by their entropies. There are as many of these tables as bytes say: integers are many.
    """
    histograms = np.array([histogram for _, histogram in streams], np.float64)
    members = [[index] for index, _ in streams]
    own = _entropy_bytes(histograms) + _table_price(histograms)
    spared = np.full((len(own), len(own)), -np.inf)  # by a cluster that becomes one with another one before it
    for row in range(1, len(own)):
        spared[row, :row] = _spared(histograms, own, row)[:row]
    while spared.max(initial=-np.inf) > 0:
        last, first = divmod(int(spared.argmax()), len(own))
        members[first] += members.pop(last)
        histograms[first] += histograms[last]
        histograms, own = np.delete(histograms, last, axis=0), np.delete(own, last)
        spared = np.delete(np.delete(spared, last, axis=0), last, axis=1)
        own[first] = _entropy_bytes(histograms[first]) + _table_price(histograms[first])
        anew = _spared(histograms, own, first)
        spared[first, :first], spared[first + 1 :, first] = anew[:first], anew[first + 1 :]
    whole = [histogram.astype(np.int64) for histogram in histograms]
    return [_Cluster(kind, each, kind.nbytes(each), own) for each, own in zip(whole, members, strict=True)]


def _spared(histograms: np.ndarray, own: np.ndarray, index: int) -> np.ndarray:
    """Return how many bytes it spares if a cluster becomes one with each: float64 ``[clusters]``.

    Args:
        histograms: How often each symbol occurs in each cluster, ``[clusters, 256]``.
        own: What each takes by itself, its table included.
        index: The number of the cluster.
    """
    together = histograms + histograms[index]
    spared: np.ndarray = own + own[index] - _entropy_bytes(together) - _table_price(together)
    return spared


def _entropy_bytes(histogram: np.ndarray) -> np.ndarray:
    """Return the bytes that an ideal code takes for symbols that occur so often, ``[..., 256]``."""
    total = histogram.sum(axis=-1)
    bits = total * np.log2(np.maximum(total, 1)) - (histogram * np.log2(np.maximum(histogram, 1))).sum(axis=-1)
    nbytes: np.ndarray = bits / 8
    return nbytes


def _table_price(histogram: np.ndarray) -> np.ndarray:
    """Return what may be spent to spare the table of symbols that occur so often, ``[..., 256]``."""
    price: np.ndarray = COUNTS + _TABLE_BYTES + (1 + _INTEGER_BYTES) * np.count_nonzero(histogram, axis=-1)
    return price


def _join(clusters: list[_Cluster], index: int, kind: _Kind, histogram: np.ndarray) -> None:
    own = kind.nbytes(histogram)
    best: tuple[float, _Cluster, float] | None = None
    allowed = _LOSS * own + _TABLE_BYTES + _SYMBOL_BYTES * np.count_nonzero(histogram)
    for cluster in clusters:
        together = kind.nbytes(cluster.histogram + histogram)
        loss = together - cluster.nbytes - own
        if loss <= allowed and (best is None or loss < best[0]):
            best = (loss, cluster, together)
    if best is None:
        clusters.append(_Cluster(kind, histogram, own, [index]))
        return
    _, cluster, together = best
    cluster.histogram, cluster.nbytes = cluster.histogram + histogram, together
    cluster.members.append(index)


def _tables(clusters: Sequence[_Cluster], shortest: int) -> Iterator[tuple[int, np.ndarray]]:
    """Yield the tables of the clusters, with the index of each weight."""
    for cluster in clusters:
        table = cluster.kind.table(cluster.histogram, shortest)
        yield from ((index, table) for index in cluster.members)
