"""Reports: the accounting of the paper's tables, held against numbers worked out by hand or from the streams."""

from __future__ import annotations

import json
import re

import numpy as np
import onnx
import onnx_ir as ir
import pytest

import onnxdc
from onnxdc import Recipe
from onnxdc.domain.provenance import Provenance
from onnxdc.numeric.relative_index import to_gaps
from onnxdc.passes.execution import Execution, ExecutionCode
from onnxdc.passes.result import Folded
from tests.helpers.few_values import weight
from tests.helpers.small_models import LENET, dense
from tests.helpers.text_models import build, normal


def one_weight(array: np.ndarray) -> ir.Model:
    rows, columns = array.shape
    return build(f"g (float[N, {rows}] x) => (float[N, {columns}] y) {{ y = MatMul(x, W) }}", W=array)


def test_bytes_after_each_stage_are_those_worked_out_by_hand():
    # 1200 elements; nonzeros at 0, 40 and 1199. Gaps of 5 bits reach 32 positions: one filler before 40, and
    # floor((1199 - 40 - 1) / 32) = 36 before the last. So 40 entries.
    array = np.zeros((30, 40), np.float32)
    array.flat[[0, 40, 1199]] = [1.5, -2.5, 1.5]
    (row,) = onnxdc.inspect(one_weight(array)).rows
    assert (row.name, row.kind, row.shape) == ("W", "fc", (30, 40))
    assert (row.size, row.nnz, row.entries, row.index_bits) == (1200, 3, 40, 5)
    assert row.bits == 2  # zero and two values
    assert row.dense_bytes == 4800
    assert row.pruned_bytes == 40 * (32 + 5) // 8
    assert row.shared_bytes == 40 * (2 + 5) // 8 + 3 * 4
    assert (row.encoded_bytes, row.execution) == (None, "")


@pytest.mark.parametrize("density", [0.0, 0.01, 0.1, 0.5])
@pytest.mark.parametrize("index_bits", [1, 5, 8])
def test_entries_are_counted_as_they_are_encoded(density, index_bits):
    array = weight(300, 5000, density=density, values=7)
    result = onnxdc.encode(one_weight(array), index_bits=index_bits, min_elements=0)
    (row,) = result.report.rows
    (initial,) = onnxdc.prune(one_weight(array), Recipe(), threshold=0.0).report.rows
    gaps, _ = to_gaps((array != 0).reshape(-1).astype(np.uint8), index_bits)
    if row.index_bits is not None:
        assert row.entries == gaps.size
    assert (row.nnz, row.bits) == (np.count_nonzero(array), 3 if density else 1)
    assert initial.nnz == row.nnz


def test_encoded_bytes_are_those_of_the_eight_tensors():
    result = onnxdc.compress(LENET, density=0.1, sharing="kmeans", execution="sparse")
    graph = result.to_proto().graph
    size = {tensor.name: onnx.numpy_helper.to_array(tensor).nbytes for tensor in graph.initializer}
    gemms = [node for node in graph.node if node.op_type.startswith("SparseQuantGemm")]
    for row, gemm in zip(result.report.rows, gemms, strict=True):
        assert row.encoded_bytes == sum(size[name] for name in gemm.input[1:9])


def test_inspect_says_of_the_file_what_compress_said(tmp_path):
    result = onnxdc.compress(LENET, density=0.1)
    result.save(tmp_path / "small.onnx")
    found = onnxdc.inspect(tmp_path / "small.onnx")
    assert [row.cells() for row in found.rows] == [row.cells() for row in result.report.rows]
    assert found.file_before == result.report.file_after == (tmp_path / "small.onnx").stat().st_size
    assert result.report.file_before == LENET.stat().st_size


def test_file_sizes_include_external_data(tmp_path):
    path = tmp_path / "model.onnx"
    onnx.save(ir.to_proto(dense()), path, save_as_external_data=True, location="weights.bin", size_threshold=0)
    expected = path.stat().st_size + (tmp_path / "weights.bin").stat().st_size
    assert onnxdc.inspect(path).file_before == expected


def test_a_model_with_some_weights_encoded_shows_all_of_them():
    model = dense()
    shared = onnxdc.share(model, Recipe(rules=(onnxdc.Rule(pattern="fc2", skip=True),)))
    result = onnxdc.encode(shared.model)
    for report in (result.report, onnxdc.inspect(result.model)):
        fc1, fc2 = report.rows
        assert fc1.encoded_bytes is not None
        assert (fc2.bits, fc2.encoded_bytes, fc2.stored_bytes) == (None, None, 840 * 4)
        assert report.total.encoded_bytes == fc1.encoded_bytes + 840 * 4
    assert "256 distinct values" in fc2_reason(result.report)


def fc2_reason(report: onnxdc.Report) -> str:
    return report.rows[1].reason


@pytest.mark.parametrize(
    ("size", "reason"),
    [
        (64, "too small to gain"),
        (512, r"density 0\.9\d, about [1-9]\.\d times slower sparse"),
    ],
)
def test_a_weight_says_in_words_why_it_is_executed_dense(size: int, reason: str):
    report = onnxdc.compress(one_weight(normal(size, size))).report
    assert report.rows[0].execution == "dense"
    assert re.fullmatch(reason, report.rows[0].reason)
    assert f"W: dense: {report.rows[0].reason}" in str(report).splitlines()


def test_many_times_slower_is_told_without_a_fraction():
    execution = Execution(False, ExecutionCode.GAIN, density=0.9, gain=0.037, best_gain=4.0)
    assert execution.reason == "density 0.90, about 27 times slower sparse"


def test_folds_are_counted_and_named_when_asked_for():
    folds = (*(Folded(f"bn{i}", "BatchNormalization", "Conv", f"c{i}") for i in range(56)), Folded("d", "Dropout"))
    report = onnxdc.Report(folds=folds)
    assert report.notes() == ["folded: 56 BatchNormalization into Conv, 1 Dropout"]
    assert report.notes(verbose=True)[0] == "folded: BatchNormalization into Conv c0"
    assert len(report.notes(verbose=True)) == 57
    assert report.to_dict()["folds"][56] == {"name": "d", "action": "removed", "detail": "Dropout"}


def test_texts_are_spoken_of_where_they_are_more_than_a_twentieth_of_the_file():
    line = "--strip would drop 646,869 bytes of exporter texts (75 % of the file)"
    assert line in onnxdc.Report(strippable=646_869, file_after=865_046).notes()
    for report in (
        onnxdc.Report(strippable=50, file_after=1000),
        onnxdc.Report(strippable=50),  # of a file that is not there yet
        onnxdc.Report(file_after=1000),
    ):
        assert not any("strip" in note for note in report.notes())
    assert onnxdc.Report(strippable=50).to_dict()["strippable"] == 50


def test_what_was_stripped_is_told():
    report = onnxdc.Report(stripped=1234, file_after=10_000)
    assert "stripped: 1,234 bytes of exporter texts" in report.notes()
    assert report.to_dict()["stripped"] == 1234


def test_how_a_model_was_made_is_told_in_one_line():
    report = onnxdc.Report(provenance=Provenance("0.1.0", {"encode": {"a": "two\nlines\x1b[31m"}}))
    assert report.notes() == [r'made by onnxdc 0.1.0: encode a="two\nlines\u001b[31m"']
    assert report.to_dict()["provenance"] == {"onnxdc": "0.1.0", "encode": {"a": "two\nlines\x1b[31m"}}
    assert onnxdc.Report().to_dict()["provenance"] is None


def test_a_repr_is_short():
    report = onnxdc.compress(LENET, density=0.1).report
    assert repr(report) == f"<Report: 3 weights, 1,064,800 -> {report.total.encoded_bytes:,} bytes>"
    assert json.loads(report.to_json()) == json.loads(json.dumps(report.to_dict()))


def test_totals_are_sums():
    report = onnxdc.compress(LENET, density=0.1).report
    for field in ("size", "nnz", "entries", "dense_bytes", "pruned_bytes", "shared_bytes", "encoded_bytes"):
        assert getattr(report.total, field) == sum(getattr(row, field) for row in report.rows)


def test_text_has_a_line_for_each_weight_and_aligned_columns():
    lines = str(onnxdc.compress(LENET, density=0.1, sharing="kmeans", execution="sparse").report).splitlines()
    header, *rows, total = lines[:5]
    assert header.split()[:4] == ["weight", "kind", "shape", "density"]
    assert [row.split()[0] for row in rows] == ["fc1.weight", "fc2.weight", "fc3.weight"]
    assert len({line.index("x", 12) for line in rows}) <= 2
    assert [row.index("sparse") for row in rows] == [header.index("execution")] * 3
    assert total.split()[:2] == ["total", "10.0%"]
    assert "unchanged: fc2.bias, fc3.bias: fewer than 256 elements" in lines


def test_json_holds_what_the_report_holds():
    report = onnxdc.compress(LENET, density=0.1, sharing="kmeans").report
    found = json.loads(report.to_json())
    assert [row["encoded_bytes"] for row in found["weights"]] == [row.encoded_bytes for row in report.rows]
    assert found["weights"][0]["shape"] == [300, 784]
    assert found["weights"][0]["density"] == 0.1
    assert {skip["name"] for skip in found["skips"]} == {"fc1.bias", "fc2.bias", "fc3.bias"}
    assert found["file_before"] == LENET.stat().st_size


def test_a_file_that_did_not_get_smaller_is_said_to_be_none():
    assert onnxdc.Report(file_before=1000, file_after=1200).notes() == ["file: 1,000 -> 1,200 bytes, no smaller"]
    assert "smaller" not in "".join(onnxdc.Report(file_before=1000, file_after=500).notes())


def test_a_fold_into_a_node_without_a_name_names_none():
    assert Folded("bn", "BatchNormalization", "Conv").detail == "BatchNormalization into Conv"
    assert Folded("bn", "BatchNormalization", "Conv", "c").detail == "BatchNormalization into Conv c"
