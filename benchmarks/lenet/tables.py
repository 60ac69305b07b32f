"""Tables 1 to 3 of the paper next to what was measured, and the goals."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from lenet.compressed import STAGES, Compressed
from lenet.published import GOALS, HEADINGS, PUBLISHED


def text(results: Sequence[Compressed]) -> str:
    """Return all tables as Markdown, then a line for each goal."""
    parts = ["\n".join(_table_1(results))]
    parts += ["\n".join(_layer_table(result)) for result in results]
    return "\n\n".join([*parts, "\n".join(line for result in results for line in verdicts(result))])


def verdicts(result: Compressed) -> Iterator[str]:
    """Yield what was to be reached, and whether it was."""
    goal = GOALS[result.network.name]
    encoded, limit = result.errors["encoded"], result.errors["reference"] if goal.error is None else goal.error
    keeps = _rounded(encoded) <= _rounded(limit)
    for name, ratio in (("must", goal.must), ("aim", goal.aim)):
        verdict = "reached" if keeps and result.ratio >= ratio else "missed"
        measured = f"{result.ratio:.1f}x at {encoded:.2f} %"
        asked = f"{name} {ratio:g}x at no more than {limit:.2f} % wrong"
        yield f"{result.network.title}: {asked}: {measured}, {verdict}"


def _rounded(percent: float) -> int:
    """Return an error in test images of 10,000: errors are compared as numbers of images."""
    return round(100 * percent)


def _table_1(results: Sequence[Compressed]) -> Iterator[str]:
    """Yield the sizes and errors of whole networks."""
    headings = ["", *(f"{stage}, % wrong" for stage in STAGES), "parameters", "ratio", ".onnx file", "ratio"]
    yield from _header(headings, left=1)
    for result in results:
        paper = PUBLISHED[result.network.name]
        before, after = (f"{error:.2f}" for error in paper.error)
        sizes = f"{paper.kilobytes[0]} KB -> {paper.kilobytes[1]} KB"
        if not result.network.milder:
            yield _row([f"{result.network.name}, paper", before, "", "", after, sizes, f"{paper.ratio}x", "", ""])
        yield _row(
            [
                f"{result.network.title}, here",
                *(f"{result.errors[stage]:.2f}" for stage in STAGES),
                _sizes(result.dense_bytes, result.encoded_bytes),
                f"{result.ratio:.1f}x",
                _sizes(*(result.files[stage].stat().st_size for stage in (STAGES[0], STAGES[-1]))),
                f"{result.file_ratio:.1f}x",
            ]
        )


def _layer_table(result: Compressed) -> Iterator[str]:
    """Yield the layers: each cell as the paper has it, and as it is here."""
    paper = PUBLISHED[result.network.name]
    yield f"{result.network.title} (table {paper.table}), paper / here"
    yield ""
    yield from _header(HEADINGS, left=1)
    for theirs, ours in zip(paper.layers, _layers(result), strict=True):
        yield _row([theirs[0], theirs[1], *(f"{a} / {b}" for a, b in zip(theirs[2:], ours, strict=True))])


def _layers(result: Compressed) -> Iterator[tuple[str, ...]]:
    """Yield what was measured, in the columns of HEADINGS from the third on; bits are the mean of the entries."""
    for layer in result.layers:
        row = layer.row
        yield _cells(
            row.density,
            (f"{row.bits}", f"{layer.code_bits:.1f}", f"{row.index_bits or 0}", f"{layer.gap_bits:.1f}"),
            (row.shared_bytes or row.dense_bytes) / row.dense_bytes,
            row.stored_bytes / row.dense_bytes,
        )
    rows = [layer.row for layer in result.layers]
    entries, dense = sum(row.entries for row in rows), sum(row.dense_bytes for row in rows)
    bits = (
        _mean((float(layer.row.bits or 0), layer.row.entries) for layer in result.layers),
        _mean((layer.code_bits, layer.row.entries) for layer in result.layers),
        _mean((float(layer.row.index_bits or 0), layer.row.entries) for layer in result.layers),
        _mean((layer.gap_bits, layer.row.entries) for layer in result.layers),
    )
    assert entries, f"{result.network.name} has no weights"
    shared = sum(row.shared_bytes or row.dense_bytes for row in rows)
    yield _cells(
        sum(row.nnz for row in rows) / sum(row.size for row in rows),
        tuple(f"{mean:.1f}" for mean in bits),
        shared / dense,
        sum(row.stored_bytes for row in rows) / dense,
    )


def _cells(density: float, bits: Sequence[str], shared: float, encoded: float) -> tuple[str, ...]:
    return f"{100 * density:.2g} %", *bits, f"{100 * shared:.2f} %", f"{100 * encoded:.2f} %"


def _mean(weighted: Iterable[tuple[float, int]]) -> float:
    """Return the mean of values, each with how often it occurs."""
    values = list(weighted)
    return sum(value * count for value, count in values) / sum(count for _, count in values)


def _sizes(before: int, after: int) -> str:
    return f"{before:,} -> {after:,} B"


def _header(headings: Sequence[str], left: int) -> Iterator[str]:
    yield _row(headings)
    yield _row([":--" if index < left else "--:" for index in range(len(headings))])


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
