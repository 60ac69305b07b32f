"""Every operator that changed up to operator set 11, in every old version: right after conversion, or refused by name.

What is right says onnxruntime, which runs the model as it is; where it does not know a version that old, the definition
of the operator or a later version that says the same in the same way.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
import onnx_ir as ir
import onnxruntime as ort
import pytest

from onnxdc.errors import ModelError
from onnxdc.model_io import load
from onnxdc.model_io.notes import notes_of
from onnxdc.passes.fold import fold
from onnxdc.runtime.native import library_path
from tests.helpers.old_operator_rows import rows
from tests.helpers.old_operators import NEWEST_OLD, Row, changed_operators, model_of, version_of
from tests.helpers.passes import encode, share

pytestmark = pytest.mark.slow

PAGE = Path(__file__).parents[2] / "docs" / "operator_sets.md"
KINDS = ("as onnxruntime runs it", "as defined", "refused", "not run")

# What onnxruntime runs in no old version: there is nothing to compare.
NOT_RUN = {"Clip float64", "Clip {'min': 0.5, 'max': -0.5}"}


@cache
def table() -> dict[str, list[Row]]:
    by_operator = defaultdict(list)
    for row in rows():
        by_operator[row.op].append(row)
    return dict(by_operator)


def run(model: bytes, feeds: dict[str, np.ndarray], *, native: bool = False) -> list[np.ndarray]:
    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    if native:
        options.register_custom_ops_library(library_path())
    return list(ort.InferenceSession(model, options, providers=["CPUExecutionProvider"]).run(None, feeds))


def as_it_is(row: Row, opset: int) -> list[np.ndarray] | None:
    """The outputs of a row in onnxruntime, None if it does not run it."""
    proto, feeds = model_of([row], opset)
    try:
        return run(proto.SerializeToString(), feeds)[1:]
    except Exception:  # onnxruntime raises many types, which share no base
        return None


def as_defined(row: Row, opset: int) -> Sequence[np.ndarray] | None:
    """The outputs of a row by hand, or else by the first later version that onnxruntime runs."""
    if row.expected:
        return row.expected
    later = ((row.later(after), after) for after in range(opset + 1, NEWEST_OLD + 1))
    return next((found for same, after in later if same and (found := as_it_is(same, after)) is not None), None)


def require_equal(
    names: Sequence[str], expected: Sequence[np.ndarray], found: Sequence[np.ndarray], rtol: float
) -> None:
    for name, a, b in zip(names, expected, found, strict=True):
        assert a.dtype == b.dtype, name
        if a.dtype.kind == "f":
            np.testing.assert_allclose(b, a, rtol, rtol * float(np.abs(a[np.isfinite(a)]).max(initial=0)), err_msg=name)
        else:
            np.testing.assert_array_equal(b, a, name)


def require_right(chosen: Sequence[Row], opset: int, expected: Sequence[Sequence[np.ndarray]], rtol: float) -> None:
    """Convert a model of several rows, share it and compress it, and compare their outputs."""
    proto, feeds = model_of(chosen, opset)
    names = [str(row) for row in chosen for _ in range(row.outputs)]
    flat = [array for each in expected for array in each]
    before = proto.SerializeToString()
    model = load(proto)
    fold(model)
    share(model)
    require_equal(names, flat, run(ir.to_proto(model).SerializeToString(), feeds)[1:], rtol)
    compressed = ir.to_proto(encode(model).model)
    assert any(node.domain == "onnxdc" for node in compressed.graph.node)
    require_equal(names, flat, run(compressed.SerializeToString(), feeds, native=True)[1:], rtol)
    assert proto.SerializeToString() == before


@pytest.mark.parametrize("op", table())
def test_an_old_version_is_right_or_refused_by_name(op: str):
    counts: Counter[str] = Counter()
    versions = defaultdict(list)
    for row in table()[op]:
        assert row.versions(), f"{row}: no operator set takes it"
        for opset in row.versions():
            versions[opset].append(row)
    for opset, chosen in versions.items():
        groups = defaultdict(list)
        for row in chosen:
            if row.refused:
                refuse(row, opset)
                counts["refused"] += 1
                continue
            kind, expected = "as onnxruntime runs it", as_it_is(row, opset)
            if expected is None:
                kind, expected = "as defined", as_defined(row, opset)
            if expected is None:
                kind = "not run"
                assert str(row) in NOT_RUN
                assert "not checked" in " ".join(notes_of(load(model_of([row], opset)[0])))
            else:
                groups[kind, str(row) if row.outer else ""].append((row, expected))
            counts[kind] += 1
        for (kind, _), pairs in groups.items():
            rtol = 1e-6 if kind == "as onnxruntime runs it" else 1e-4
            require_right([row for row, _ in pairs], opset, [expected for _, expected in pairs], rtol)
    assert page_counts().get(op) == tuple(counts[kind] for kind in KINDS), f"{PAGE.name}: {op}: {dict(counts)}"


def refuse(row: Row, opset: int) -> None:
    with pytest.raises(ModelError) as caught:
        load(model_of([row], opset)[0])
    message = str(caught.value)
    assert message.startswith(f"model: operator set {opset} cannot be converted to 11: {row.op} 'old': ")
    assert row.refused in message
    assert "\n" not in message


def test_every_version_of_every_operator_that_changed_has_a_row():
    for op, versions in changed_operators().items():
        covered = {version_of(op, opset) for row in table()[op] for opset in row.versions()}
        gone = {10} if op == "Upsample" else set()  # deprecated in operator set 10
        assert {version for version in versions if version <= NEWEST_OLD} - covered == gone, op


def page_counts() -> dict[str, tuple[int, ...]]:
    """What the page says of each operator: the number of models of each kind."""
    text = PAGE.read_text(encoding="utf-8")
    found = re.findall(r"^\| `(\w+)` \|[^|]*\| (\d+) \| (\d+) \| (\d+) \| (\d+) \|", text, re.MULTILINE)
    return {name: tuple(map(int, counts)) for name, *counts in found}


def test_the_page_adds_the_counts_up():
    totals = re.search(
        r"(\d+) models: (\d+) .*?, (\d+) .*?, (\d+) .*?, (\d+) ", PAGE.read_text(encoding="utf-8"), re.DOTALL
    )
    columns = np.sum(list(page_counts().values()), axis=0).tolist()
    assert totals
    assert [int(each) for each in totals.groups()] == [sum(columns), *columns]
    assert set(page_counts()) == set(table())
