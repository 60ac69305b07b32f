"""Let weights of nearly equal statistics share Huffman tables, which a portable body has to unfold one by one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from onnxdc.numeric.encoding import code_histogram, gap_histogram, table_of, with_tables
from onnxdc.numeric.huffman import MAX_LENGTH
from onnxdc.numeric.weight import CompressedWeight

_LOSS: Final = 0.004  # of a stream that a shared table may cost, a choice: 150 convolutions open 3.5 times faster for it
_TABLE_BYTES: Final = 40  # that a table of its own takes besides its content: name, type, shape, two references


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

    Each weight joins the cluster that its streams fit best, one of those before it, or founds one.
    """
    codes = _tables(weights, lambda weight: weight.codes.size > 0, code_histogram, is_gap=False)
    gaps = _tables(weights, lambda weight: weight.gaps.size > 0, gap_histogram, is_gap=True)
    shared = []
    for index, weight in enumerate(weights):
        code_table, gap_table = codes.get(index, weight.code_table), gaps.get(index, weight.gap_table)
        same = code_table.tobytes() == weight.code_table.tobytes() and gap_table.tobytes() == weight.gap_table.tobytes()
        shared.append(weight if same else with_tables(weight, code_table, gap_table))
    return shared


def _tables(
    weights: Sequence[CompressedWeight],
    has_stream: Callable[[CompressedWeight], bool],
    histogram: Callable[[CompressedWeight], np.ndarray],
    *,
    is_gap: bool,
) -> dict[int, np.ndarray]:
    """Return the table of each weight that shares one, by its index."""
    clusters: dict[bool, list[_Cluster]] = {False: [], True: []}
    for index, weight in enumerate(weights):
        if has_stream(weight):
            own = histogram(weight)
            _join(clusters[not is_gap and weight.low_bits.size > 0], index, own, is_gap=is_gap)
    return dict(_shared_tables([*clusters[False], *clusters[True]], is_gap=is_gap))


def _join(clusters: list[_Cluster], index: int, histogram: np.ndarray, *, is_gap: bool) -> None:
    own = _nbytes(histogram, is_gap=is_gap)
    best: tuple[float, _Cluster, float] | None = None
    allowed = _LOSS * own + _TABLE_BYTES
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


def _nbytes(histogram: np.ndarray, *, is_gap: bool) -> float:
    """Return what codewords for these symbols take, and their table."""
    table = table_of(histogram, is_gap=is_gap)
    lengths = np.repeat(np.arange(1, MAX_LENGTH + 1), table[:MAX_LENGTH])
    symbols = table[MAX_LENGTH:] if table.size > MAX_LENGTH else np.arange(lengths.size)
    return float((histogram[symbols] * lengths).sum()) / 8 + table.size


def _shared_tables(clusters: Sequence[_Cluster], *, is_gap: bool) -> Iterator[tuple[int, np.ndarray]]:
    """Yield the tables that several weights share, with the index of each weight."""
    for cluster in clusters:
        if len(cluster.members) > 1:
            table = table_of(cluster.histogram, is_gap=is_gap)
            yield from ((index, table) for index in cluster.members)
