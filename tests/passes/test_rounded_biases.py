"""Biases become exact in float16: which do, how far they move, and what they take in the file."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import onnx_ir as ir
import pytest

import onnxdc
from onnxdc.passes.rounded_biases import round_biases
from onnxdc.recipe import Recipe
from tests.helpers.passes import share
from tests.helpers.small_models import constants
from tests.helpers.text_models import build, normal, run

LAYERS = """g (float[N, 64] X) => (float[N, 64] Y) {
    P = MatMul(X, V)
    Q = Add(P, B)
    R = LayerNormalization(Q, S, T)
    Y = Gemm(R, W, C)
}"""


def layers(**vectors: np.ndarray) -> ir.Model:
    usual = {name: normal(64, seed=seed) for seed, name in enumerate("BSTC")}
    return build(LAYERS, V=normal(64, 64, seed=8), W=normal(64, 64, seed=9), **usual | vectors)


def test_biases_scales_and_shifts_are_rounded_to_nearest() -> None:
    model = layers()
    before = constants(model)
    assert round_biases(model) == (4, 256, 0)
    after = constants(model)
    for name in "BSTC":
        assert after[name].dtype == np.float32
        assert np.array_equal(after[name], before[name].astype(np.float16).astype(np.float32))
    assert np.array_equal(after["V"], before["V"])


@pytest.mark.parametrize(
    "vector",
    [
        np.full(64, 1e9, np.float32) * normal(64),  # beyond float16
        normal(64) * np.float32(1e-9),  # below it
        np.where(normal(64) > 1, np.float32(np.nan), normal(64)),
        np.where(normal(64) > 1, np.float32(np.inf), normal(64)),
        normal(64).astype(ml_dtypes.bfloat16).astype(np.float32),  # exact in two bytes already
        5000 + normal(64),  # whose elements would be 4 apart
    ],
)
def test_what_float16_cannot_hold_stays(vector: np.ndarray) -> None:
    model = layers(C=vector)
    assert round_biases(model).vectors == 3
    assert np.array_equal(constants(model)["C"].view(np.uint32), vector.view(np.uint32))


def test_small_elements_lose_no_more_than_large_ones() -> None:
    vector = normal(64) * np.float32(10.0) ** -np.arange(64, dtype=np.float32).clip(max=12)
    model = layers(C=vector)
    assert round_biases(model).vectors == 4
    assert np.abs(constants(model)["C"] - vector).max() <= np.abs(vector).max() * 2**-11


@pytest.mark.parametrize(
    "nodes",
    [
        "Y = Mul(X, F)",  # frequencies, times positions
        "Y = Add(X, F)",
        "P = Gemm(X, W, F)  Q = Mul(X, F)  Y = Add(P, Q)",
        "P = Gemm(X, W, F)  Q = Sin(F)  Y = Add(P, Q)",
    ],
)
def test_vectors_with_another_use_stay(nodes: str) -> None:
    frequencies = normal(64)
    text = f"g (float[N, 64] X) => (float[N, 64] Y) {{ {nodes} }}"
    used = {"W": normal(64, 64)} if "W" in nodes else {}
    model = build(text, F=frequencies, **used)
    assert round_biases(model) == (0, 0, 0)
    assert np.array_equal(constants(model)["F"], frequencies)


def test_too_few_to_make_a_file_smaller_stay() -> None:
    text = "g (float[N, 64] X) => (float[N, 64] Y) { Y = Gemm(X, W, B) }"
    model = build(text, W=normal(64, 64), B=normal(64))
    assert round_biases(model) == (0, 0, 0)


@pytest.mark.parametrize("sharing", ["grid", "kmeans"])
def test_share_does_it_unless_it_is_told_not_to(sharing: str) -> None:
    rounded, kept = layers(), layers()
    assert share(rounded, Recipe().with_options(sharing=sharing)).biases == (4, 256, 0)
    assert share(kept, Recipe().with_options(sharing=sharing, biases="keep")).biases == (0, 0, 0)
    x = normal(5, 64, seed=3)
    (a,), (b,) = run(rounded, {"X": x}), run(kept, {"X": x})
    assert 0 < np.abs(a - b).max() < 0.01 * np.abs(b).max()
    assert np.array_equal(constants(kept)["B"], constants(layers())["B"])


def test_in_a_byte_an_element_is_a_multiple_of_a_step_that_all_have_in_common() -> None:
    vectors = {name: normal(128, seed=seed) for seed, name in enumerate("BSTC")}
    vectors["B"] *= np.float32(0.5)
    vectors["S"] = 1 + vectors["S"] * np.float32(0.05)  # whose elements differ by little
    model = build(LAYERS.replace("64", "128"), V=normal(128, 128, seed=8), W=normal(128, 128, seed=9), **vectors)
    before = constants(model)
    assert round_biases(model, "int8") == (4, 512, 384)
    after = constants(model)
    largest = max(np.abs(before[name]).max() for name in "BTC")
    step = 2.0 ** np.ceil(np.log2(largest / 127))
    for name in "BTC":
        assert np.array_equal(after[name], np.round(before[name] / step) * step)
        assert np.abs(after[name] / step).max() <= 127
    assert np.array_equal(after["S"], before["S"].astype(np.float16).astype(np.float32))


@pytest.mark.parametrize(
    "vector",
    [
        np.where(normal(64) > 1, np.float32(np.nan), normal(64)),
        np.where(normal(64) > 1, np.float32(np.inf), normal(64)),
        np.zeros(64, np.float32),
        normal(64) * np.float32(1e-9),
        np.ones(64, np.float32),
    ],
)
def test_what_a_byte_cannot_hold_stays(vector: np.ndarray) -> None:
    model = build(
        "g (float[N, 64] X) => (float[N, 64] Y) { P = Gemm(X, V, B)  Q = Gemm(P, W, C) Y = Gemm(Q, W, D) }",
        **{"B": normal(64), "D": vector, "C": np.tile(normal(64), 4)[:64], "V": normal(64, 64), "W": normal(64, 64)},
    )
    round_biases(model, "int8")
    assert np.array_equal(constants(model)["D"].view(np.uint32), vector.view(np.uint32))


@pytest.mark.parametrize("size", [1e-44, 1e-40, 1e-33, 1e37])
def test_steps_that_no_file_can_have_are_none(size: float) -> None:
    vector = (np.clip(normal(300), -3, 3) * size).astype(np.float32)
    text = "g (float[N, 64] X) => (float[N, 300] Y) { Y = Gemm(X, W, B) }"
    model = build(text, W=normal(64, 300), B=vector)
    assert round_biases(model, "int8").in_bytes == 0
    assert np.array_equal(constants(model)["B"], vector)


def test_bytes_that_gain_nothing_are_none() -> None:
    text = "g (float[N, 64] X) => (float[N, 64] Y) { P = Gemm(X, V, B)  Y = Gemm(P, W, C) }"
    model = build(text, V=normal(64, 64), W=normal(64, 64), B=normal(64), C=normal(64, seed=1))
    assert round_biases(model, "int8").in_bytes == 0


def test_files_get_smaller_by_three_bytes_an_element(tmp_path) -> None:
    sizes = {}
    for biases in ("int8", "float16"):
        text = "g (float[N, 64] X) => (float[N, 900] Y) { Y = Gemm(X, W, B) }"
        model = build(text, W=normal(64, 900), B=normal(900))
        result = onnxdc.compress(ir.to_proto(model), biases=biases)
        result.save(tmp_path / "small.onnx")
        sizes[biases] = (tmp_path / "small.onnx").stat().st_size
        told = "to a byte" if biases == "int8" else "to float16"
        assert any(line.endswith(told) for line in result.report.notes() if line.startswith("biases:"))
    assert sizes["float16"] - sizes["int8"] > 900 - 100


def test_files_get_smaller_by_two_bytes_an_element(tmp_path) -> None:
    sizes = {}
    for biases in ("float16", "keep"):
        result = onnxdc.compress(ir.to_proto(layers()), biases=biases)
        result.save(tmp_path / "small.onnx")
        sizes[biases] = (tmp_path / "small.onnx").stat().st_size
        assert any("256 elements of 4 vectors" in line for line in result.report.notes()) == (biases == "float16")
        assert result.report.to_dict()["biases"]["elements"] == (256 if biases == "float16" else 0)
    assert sizes["keep"] - sizes["float16"] > 512 - 200


def test_a_long_vector_takes_two_bytes_an_element_rather_than_a_codebook() -> None:
    text = "g (float[N, 64] X) => (float[N, 700] Y) { Y = Gemm(X, W, B) }"
    vector = normal(700).astype(np.float16).astype(np.float32)
    model = build(text, W=normal(64, 700), B=vector)
    result = onnxdc.compress(ir.to_proto(model))
    assert [row.name for row in result.report.rows if row.encoded_bytes is not None] == ["W"]
    assert result.model.graph.initializers["halves"].const_value.nbytes == 1400
    assert np.array_equal(constants(onnxdc.decode(result.model).model)["B"], vector)
