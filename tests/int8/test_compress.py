"""The whole route, quantize and encode: budgets are kept, and plain onnxruntime runs what the plain int8 model has."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx_ir as ir
import onnxruntime as ort
import pytest

import onnxdc
from onnxdc import ModelError, OptionError
from tests.helpers.int8_models import encoder, images, optimised_operators, residual_network, sentences
from tests.helpers.small_models import CNN, DIGITS, constants, report_of, saved
from tests.helpers.small_models import onnxdc as command

pytestmark = pytest.mark.xdist_group("int8")  # what compresses once is for one process

DATA, OTHERS = {"x": images(120)}, {"x": images(60, seed=1)}


def network() -> ir.Model:
    return residual_network(channels=48)


def nbytes(result: onnxdc.CompressionResult) -> int:
    return int(ir.to_proto(result.model).ByteSize())


def divergence(model: ir.Model) -> float:
    return onnxdc.verify(network(), model, OTHERS).comparisons[0].divergence


@pytest.fixture(scope="module")
def compressed() -> onnxdc.CompressionResult:
    return onnxdc.compress(network(), int8=True, data=DATA)


def test_it_is_small_and_close_and_runs_on_integers(compressed: onnxdc.CompressionResult, tmp_path: Path) -> None:
    assert nbytes(compressed) < int(ir.to_proto(network()).ByteSize()) / 3
    assert divergence(compressed.model) < 0.05  # what is usual, with images that it has not seen
    operators = optimised_operators(compressed.model, tmp_path)
    assert operators["QLinearConv"] == 4
    assert operators["QGemm"] == 1
    assert operators["Conv"] == operators["Gemm"] == 0


def test_decoding_gives_a_plain_int8_model(compressed: onnxdc.CompressionResult) -> None:
    decoded = onnxdc.decode(compressed.model).model
    assert {node.domain for node in decoded.graph} == {""}
    stored = constants(decoded)
    assert all(stored[name].dtype == np.int8 for name in ("w1", "w2", "w3", "w4"))
    runs = (
        ort.InferenceSession(ir.to_proto(model).SerializeToString()).run(None, OTHERS)[0]
        for model in (decoded, compressed.model)
    )
    np.testing.assert_array_equal(*runs)


def test_a_size_is_kept_to(compressed: onnxdc.CompressionResult, tmp_path: Path) -> None:
    size = int(0.8 * nbytes(compressed))
    result = onnxdc.compress(network(), int8=True, data=DATA, target_size=size)
    result.save(tmp_path / "small.onnx")
    assert 0.95 * size <= (tmp_path / "small.onnx").stat().st_size <= size
    with pytest.raises(ModelError, match="expected a file of at most 900 bytes"):
        onnxdc.compress(network(), int8=True, data=DATA, target_size=900)


@pytest.mark.slow
def test_a_divergence_is_kept_to() -> None:
    sizes = []
    for largest in (0.01, 0.05):
        result = onnxdc.compress(network(), int8=True, data=DATA, val=OTHERS, max_drop=largest, metric="f")
        assert divergence(result.model) <= 1.001 * largest
        sizes.append(nbytes(result))
    assert sizes[1] < sizes[0]


def test_a_drop_is_kept_to_by_quantize() -> None:
    y = ort.InferenceSession(ir.to_proto(network()).SerializeToString()).run(None, OTHERS)[0]
    val = OTHERS | {"labels": y.argmax(axis=1)}
    result = onnxdc.quantize(network(), data=DATA, val=val, max_drop=25)
    after = ort.InferenceSession(ir.to_proto(result.model).SerializeToString()).run(None, OTHERS)[0]
    assert 100 * (after.argmax(axis=1) == val["labels"]).mean() >= 75


@pytest.mark.slow
def test_pruned_and_int8_at_once() -> None:
    result = onnxdc.compress(network(), int8=True, data=DATA, density=0.3)
    stored = constants(onnxdc.decode(result.model).model)
    for name in ("w2", "w3", "w4"):
        assert np.count_nonzero(stored[name]) <= 0.32 * stored[name].size
    assert nbytes(result) < int(ir.to_proto(network()).ByteSize()) / 5


def test_without_data_by_dynamic_activations(tmp_path: Path) -> None:
    model = encoder(words=3000)
    path = saved(model, tmp_path / "encoder.onnx")
    result = onnxdc.compress(path, int8=True, min_elements=100)
    assert "int8: 1 table, 3 dynamic layers" in "\n".join(result.report.notes())
    feed = {"ids": sentences(40)}
    before, after = (
        ort.InferenceSession(ir.to_proto(each).SerializeToString()).run(None, feed)[0] for each in (model, result.model)
    )
    assert np.square(after - before).sum() < 0.03 * np.square(before).sum()


def test_what_is_too_small_to_be_coded_is_plain_int8() -> None:
    result = onnxdc.compress(encoder(), int8=True, min_elements=100)
    assert "int8 only: coding makes no weight smaller" in result.report.notes()
    assert {node.domain for node in result.model.graph} == {""}
    assert constants(result.model)["w1"].dtype == np.int8


def test_static_activations_mean_nothing_without_int8() -> None:
    with pytest.raises(OptionError, match="activation needs int8"):
        onnxdc.compress(network(), activation="static")


def test_the_commands(tmp_path: Path) -> None:
    out = tmp_path / "out.onnx"
    missing = command("quantize", CNN, "-o", out)
    assert missing.exit_code == 2
    assert "static activations need --data: conv1.weight" in missing.stderr
    assert not out.exists()
    wrong = command("quantize", CNN, "-o", out, "--activation", "int8")
    assert wrong.exit_code == 2
    assert command("compress", CNN, "-o", out, "--activation", "static").exit_code == 2

    plain = report_of(command("quantize", CNN, "--data", DIGITS, "-o", out, "--json", "-q"))
    assert "int8: 4 static layers" in plain["remarks"]
    assert plain["file_after"] == out.stat().st_size
    small = tmp_path / "small.onnx"
    report_of(command("compress", CNN, "--int8", "--data", DIGITS, "-o", small, "--json", "-q"))
    assert small.stat().st_size < out.stat().st_size / 3
    verified = command("verify", CNN, small, "--inputs", DIGITS, "--labels", "labels")
    assert verified.exit_code == 0, verified.output
