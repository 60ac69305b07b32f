"""Every native kernel against onnxruntime's own dense operator, in every instruction set with kernels for floats."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from onnxdc import native
from onnxdc.numeric.encoding import plain
from tests.helpers.native_models import Pair, isa_params, isas_of_floats, normal, session, sparse_array


@pytest.fixture(params=isa_params(isas_of_floats()), autouse=True)
def isa(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Forces one instruction set, and sees to it that this is the one that runs."""
    monkeypatch.setenv("ONNXDC_ISA", request.param)
    assert native.isa() == request.param


def assert_same_as_dense(pair: Pair) -> None:
    """Same shape, and same values but for the rounding of another order of summation."""
    expected = pair.run(pair.dense_model())
    found = pair.run(pair.sparse_model())
    assert found.dtype == expected.dtype
    assert found.shape == expected.shape
    scale = np.abs(expected).max(initial=0)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5 * scale)


GEMM_SIZES = [(1, 1, 1), (1, 17, 33), (1, 300, 100), (2, 64, 16), (5, 31, 65), (16, 40, 24), (37, 70, 50)]


@pytest.mark.parametrize(("m", "k", "n"), GEMM_SIZES)
@pytest.mark.parametrize(("trans_a", "trans_b"), [(0, 0), (0, 1), (1, 0), (1, 1)])
def test_gemm(m, k, n, trans_a, trans_b):
    rng = np.random.default_rng(m * 1000 + k + n)
    a = normal(rng, (k, m) if trans_a else (m, k))
    weight = sparse_array(rng, (n, k) if trans_b else (k, n))
    assert_same_as_dense(Pair("Gemm", weight, {"A": a, "C": normal(rng, (n,))}, {"transA": trans_a, "transB": trans_b}))


@pytest.mark.parametrize("shape_c", [(), (1,), (18,), (1, 18), (7, 1), (1, 1), (7, 18), None])
@pytest.mark.parametrize(("alpha", "beta"), [(1.0, 1.0), (0.5, 2.0), (2.0, 0.0), (0.0, 1.5)])
def test_gemm_scales_and_broadcasts_c(shape_c, alpha, beta):
    rng = np.random.default_rng(3)
    c = None if shape_c is None else normal(rng, shape_c)
    feeds = {"A": normal(rng, (7, 30)), "C": c}
    assert_same_as_dense(Pair("Gemm", sparse_array(rng, (30, 18)), feeds, {"alpha": alpha, "beta": beta}))


@pytest.mark.parametrize("density", [0.0, 0.01, 0.1, 0.5, 1.0])
@pytest.mark.parametrize("values", [1, 30, 31, 255])
@pytest.mark.parametrize("m", [1, 9])
def test_gemm_at_every_density_and_size_of_codebook(density, values, m):
    rng = np.random.default_rng(4)
    weight = sparse_array(rng, (70, 130), density, values)
    assert_same_as_dense(Pair("Gemm", weight, {"A": normal(rng, (m, 130))}, {"transB": 1}))


@pytest.mark.parametrize("axis", [0, 1])
def test_gemm_with_a_codebook_for_each_group(axis):
    rng = np.random.default_rng(5)
    weight = np.concatenate([sparse_array(rng, (40, 40), 0.9, 200) for _ in range(4)], axis)
    pair = Pair("Gemm", weight, {"A": normal(rng, (3, weight.shape[0]))}, {}, {"group_axis": axis})
    assert len(pair.compressed.codebook) > 1
    assert_same_as_dense(pair)


@pytest.mark.parametrize("shape", [(40,), (1, 40), (6, 40), (2, 3, 40), (2, 1, 3, 40), (0, 40), (2, 0, 40), (20, 40)])
def test_matmul_of_any_rank(shape):
    rng = np.random.default_rng(7)
    assert_same_as_dense(Pair("MatMul", sparse_array(rng, (40, 50)), {"A": normal(rng, shape)}))


CONVOLUTIONS = {
    "1-D": ((6, 4, 3), (2, 4, 20), {}),
    "1-D strided": ((6, 4, 5), (2, 4, 31), {"strides": [3], "pads": [2, 1]}),
    "2-D": ((8, 3, 3, 3), (1, 3, 12, 13), {"pads": [1, 1, 1, 1]}),
    "2-D odd pads": ((8, 3, 3, 2), (2, 3, 9, 10), {"pads": [0, 1, 2, 3]}),
    "2-D pads beyond the kernel": ((4, 2, 2, 2), (1, 2, 3, 3), {"pads": [4, 3, 3, 4]}),
    "2-D strided": ((20, 5, 3, 3), (1, 5, 17, 18), {"strides": [2, 3], "pads": [1, 0, 1, 0]}),
    "2-D dilated": ((8, 6, 3, 3), (1, 6, 15, 16), {"dilations": [2, 3], "pads": [2, 3, 2, 3]}),
    "2-D dilated and strided": ((8, 6, 3, 3), (1, 6, 15, 16), {"dilations": [2, 1], "strides": [2, 2]}),
    "11x11 strided by 4": ((33, 3, 11, 11), (1, 3, 47, 47), {"strides": [4, 4], "pads": [2, 2, 2, 2]}),
    "pointwise": ((40, 33, 1, 1), (1, 33, 9, 11), {}),
    "pointwise strided": ((40, 33, 1, 1), (2, 33, 9, 11), {"strides": [2, 2]}),
    "wide": ((17, 5, 3, 3), (1, 5, 5, 150), {"pads": [1, 1, 1, 1]}),
    "grouped": ((12, 4, 3, 3), (2, 8, 10, 10), {"group": 2, "pads": [1, 1, 1, 1]}),
    "depthwise": ((10, 1, 3, 3), (2, 10, 11, 12), {"group": 10, "pads": [1, 1, 1, 1]}),
    "depthwise with two outputs a channel": ((20, 1, 5, 5), (1, 10, 11, 12), {"group": 10, "strides": [2, 2]}),
    "3-D": ((6, 4, 2, 3, 3), (2, 4, 6, 7, 8), {"pads": [0, 1, 1, 1, 1, 1], "strides": [1, 2, 1]}),
    "3-D dilated in groups": ((6, 2, 2, 2, 2), (1, 4, 6, 7, 8), {"group": 2, "dilations": [3, 1, 2]}),
    "SAME_UPPER": ((8, 3, 4, 3), (1, 3, 13, 14), {"auto_pad": "SAME_UPPER", "strides": [2, 3]}),
    "SAME_LOWER": ((8, 3, 4, 2), (1, 3, 13, 14), {"auto_pad": "SAME_LOWER", "strides": [2, 1]}),
    **{
        f"{auto_pad} cropped, {size} by {stride}": (
            (6, 2, 3, 1),
            (2, 2, 6, size),
            {"auto_pad": auto_pad, "strides": [4, stride]},
        )
        for auto_pad in ("SAME_UPPER", "SAME_LOWER")
        for size, stride in ((4, 4), (9, 5), (10, 5), (6, 6), (21, 7))
    },
    "SAME_UPPER cropped in 3-D": (
        (6, 1, 3, 2, 1),
        (2, 3, 6, 9, 12),
        {"auto_pad": "SAME_UPPER", "strides": [6, 5, 4], "group": 3},
    ),
    "VALID": ((8, 3, 4, 3), (1, 3, 13, 14), {"auto_pad": "VALID", "strides": [2, 3]}),
    "kernel as large as the input": ((8, 3, 5, 6), (3, 3, 5, 6), {}),
    "no batch": ((8, 3, 3, 3), (0, 3, 12, 13), {}),
    "large batch": ((5, 3, 3, 3), (19, 3, 6, 6), {"pads": [1, 1, 1, 1]}),
}


@pytest.mark.parametrize("name", CONVOLUTIONS)
@pytest.mark.parametrize("density", [0.1, 0.6])
@pytest.mark.parametrize("bias", [pytest.param(False, marks=pytest.mark.slow), True])
def test_conv(name, density, bias):
    weight_shape, input_shape, attributes = CONVOLUTIONS[name]
    rng = np.random.default_rng(len(name))
    feeds = {"X": normal(rng, input_shape), "B": normal(rng, weight_shape[:1]) if bias else None}
    assert_same_as_dense(Pair("Conv", sparse_array(rng, weight_shape, density), feeds, attributes))


@pytest.mark.parametrize("density", [0.0, 0.01, 1.0])
@pytest.mark.parametrize("values", [1, 255])
def test_conv_at_the_ends_of_density_and_codebook(density, values):
    rng = np.random.default_rng(8)
    weight = sparse_array(rng, (35, 9, 3, 3), density, values)
    feeds = {"X": normal(rng, (1, 9, 14, 15)), "B": normal(rng, (35,))}
    assert_same_as_dense(Pair("Conv", weight, feeds, {"pads": [1, 1, 1, 1]}))


def test_conv_serves_inputs_of_changing_size():
    rng = np.random.default_rng(9)
    first = Pair("Conv", sparse_array(rng, (8, 3, 3, 3)), {"X": normal(rng, (1, 3, 8, 8))})
    dense, sparse = session(first.dense_model()), session(first.sparse_model())
    for shape in ((1, 3, 8, 8), (4, 3, 20, 5), (2, 3, 3, 40)):
        feeds = {"X": normal(rng, shape)}
        np.testing.assert_allclose(sparse.run(None, feeds)[0], dense.run(None, feeds)[0], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("axis", [0, 1, 2, -1, -3])
@pytest.mark.parametrize("dtype", [np.int32, np.int64])
@pytest.mark.parametrize("indices_shape", [(), (4,), (2, 3), (0,), (3, 0)])
def test_gather(axis, dtype, indices_shape):
    rng = np.random.default_rng(10)
    weight = sparse_array(rng, (30, 7, 5), 0.5)
    length = weight.shape[axis]
    indices = rng.integers(-length, length, indices_shape).astype(dtype)
    pair = Pair("Gather", weight, {"indices": indices}, {"axis": axis}, {"packet": 8})
    np.testing.assert_array_equal(pair.run(pair.sparse_model()), pair.run(pair.dense_model()))


@pytest.mark.parametrize("density", [0.0, 0.003, 0.1, 1.0])
@pytest.mark.parametrize("packet", [8, 64])
def test_gather_rows_of_a_large_table(density, packet):
    rng = np.random.default_rng(11)
    weight = sparse_array(rng, (500, 48), density, 200)
    indices = np.concatenate([rng.integers(0, 500, 40), [0, 499, -1, -500, 7, 7]])
    pair = Pair("Gather", weight, {"indices": indices}, {}, {"packet": packet})
    np.testing.assert_array_equal(pair.run(pair.sparse_model()), pair.run(pair.dense_model()))


@pytest.mark.parametrize("axis", [0, 1])
def test_gather_with_a_codebook_for_each_group(axis):
    rng = np.random.default_rng(12)
    weight = np.concatenate([sparse_array(rng, (40, 40), 0.9, 200) for _ in range(4)], axis)
    pair = Pair("Gather", weight, {"indices": np.arange(0, 40, 3)}, {}, {"group_axis": axis})
    assert len(pair.compressed.codebook) > 1
    np.testing.assert_array_equal(pair.run(pair.sparse_model()), pair.run(pair.dense_model()))


EMPTY = {
    "gemm without rows": ("Gemm", (20, 12), {"A": (0, 20), "C": (12,)}),
    "gemm without a sum": ("Gemm", (0, 12), {"A": (3, 0), "C": (12,)}),
    "gemm without columns": ("Gemm", (20, 0), {"A": (3, 20)}),
    "matmul without a sum": ("MatMul", (0, 5), {"A": (0,)}),
    "matmul without columns": ("MatMul", (20, 0), {"A": (2, 3, 20)}),
    "conv without outputs": ("Conv", (0, 2, 3, 3), {"X": (1, 2, 8, 8)}),
    "conv without inputs": ("Conv", (4, 0, 3, 3), {"X": (1, 0, 8, 8), "B": (4,)}),
    "gather of empty rows": ("Gather", (6, 0), {"indices": (2, 3)}),
    "gather from no rows": ("Gather", (0, 6), {"indices": (2, 0)}),
}


@pytest.mark.parametrize("name", EMPTY)
def test_empty_dimensions(name):
    op, weight_shape, shapes = EMPTY[name]
    rng = np.random.default_rng(6)
    feeds = {key: np.zeros(shape, np.int64) if op == "Gather" else normal(rng, shape) for key, shape in shapes.items()}
    assert_same_as_dense(Pair(op, sparse_array(rng, weight_shape), feeds))


def test_gemm_without_columns_of_a_transposed_weight():
    rng = np.random.default_rng(6)
    assert_same_as_dense(Pair("Gemm", sparse_array(rng, (0, 20)), {"A": normal(rng, (3, 20))}, {"transB": 1}))


def test_an_infinite_weight_does_not_meet_the_padding():
    weight = np.zeros((1, 1, 3, 3), np.float32)
    weight[0, 0, 0, 0], weight[0, 0, 1, 1] = np.inf, 2
    pair = Pair("Conv", weight, {"X": np.ones((1, 1, 4, 5), np.float32)}, {"pads": [1, 1, 1, 1]})
    expected = np.full((1, 1, 4, 5), np.inf, np.float32)
    expected[..., 0, :] = expected[..., 0] = 2
    np.testing.assert_array_equal(pair.run(pair.sparse_model()), expected)


def test_thousands_of_taps_take_no_time_for_those_that_are_zero():
    weight = np.zeros((1, 1, 512, 512), np.float32)
    weight[0, 0, 0, 0], weight[0, 0, 511, 511] = 1, 2
    x = normal(np.random.default_rng(8), (1, 1, 520, 520))
    assert_same_as_dense(Pair("Conv", weight, {"X": x}))


def test_padding_and_strides_that_dwarf_the_input():
    weight = sparse_array(np.random.default_rng(9), (2, 1, 2, 2))
    x = normal(np.random.default_rng(10), (2, 1, 9, 7))
    for attributes in (
        {"pads": [900, 900, 900, 900], "strides": [60, 2], "dilations": [7, 3]},
        {"pads": [0, 700, 3, 900], "strides": [1, 3]},
        {"pads": [500, 501, 502, 503], "strides": [2, 5], "dilations": [4, 5]},
    ):
        assert_same_as_dense(Pair("Conv", weight, {"X": x}, attributes))


def threaded_pairs() -> list[Pair]:
    rng = np.random.default_rng(13)
    return [
        Pair("Gemm", sparse_array(rng, (256, 300)), {"A": normal(rng, (1, 256))}),
        Pair("MatMul", sparse_array(rng, (256, 300)), {"A": normal(rng, (40, 256))}),
        Pair("Conv", sparse_array(rng, (64, 16, 3, 3)), {"X": normal(rng, (2, 16, 20, 20))}, {"pads": [1, 1, 1, 1]}),
        Pair("Gather", sparse_array(rng, (500, 64)), {"indices": np.arange(499, 0, -2)}),
    ]


@pytest.mark.parametrize("pair", threaded_pairs(), ids=lambda pair: pair.op)
@pytest.mark.parametrize("threads", [2, 4])
def test_threads_of_the_session_and_concurrent_runs_change_nothing(pair, threads):
    expected = pair.run(pair.sparse_model())
    shared = session(pair.sparse_model(), threads)
    with ThreadPoolExecutor(4) as pool:
        for (found,) in pool.map(lambda _: shared.run(None, dict(pair.feeds)), range(8)):
            np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("pair", threaded_pairs(), ids=lambda pair: pair.op)
def test_plain_streams_change_nothing(pair):
    weight = plain(pair.compressed)
    assert weight.codes.size == weight.gaps.size == weight.entries
    np.testing.assert_array_equal(pair.run(pair.sparse_model(weight)), pair.run(pair.sparse_model()))


@pytest.mark.parametrize("op", ["Gemm", "MatMul", "Conv"])
def test_concurrent_runs_with_inputs_of_their_own(op):
    rng = np.random.default_rng(14)
    weight_shape, tail = ((32, 8, 3, 3), (8, 12, 13)) if op == "Conv" else ((200, 150), (200,))
    name = "X" if op == "Conv" else "A"
    feeds = [{name: normal(rng, (batch, *tail))} for batch in (1, 2, 3, 7, 12, 13, 20, 40)]
    pair = Pair(op, sparse_array(rng, weight_shape), feeds[0])
    shared = session(pair.sparse_model(), threads=2)
    expected = [shared.run(None, feed)[0] for feed in feeds]
    with ThreadPoolExecutor(len(feeds)) as pool:
        for _ in range(5):
            for found, alone in zip(pool.map(lambda feed: shared.run(None, feed)[0], feeds), expected, strict=True):
                np.testing.assert_array_equal(found, alone)


@pytest.mark.parametrize("op", ["Gemm", "MatMul", "Conv"])
@pytest.mark.parametrize("batch", [1, 20])
@pytest.mark.parametrize("values", [20, 200])
def test_a_pruned_weight_does_not_see_the_activations(op, batch, values):
    rng = np.random.default_rng(15)
    weight = sparse_array(rng, (30, 90), 0.1, values)  # [outputs, inputs]
    x = normal(rng, (batch, 90))
    x[:, [4, 50, 89]] = np.inf, -np.inf, np.nan
    with np.errstate(invalid="ignore"):  # infinity minus infinity
        expected = np.stack([x[:, row != 0].astype(np.float64) @ row[row != 0] for row in weight], axis=1)
    assert np.isfinite(expected).any()
    assert not np.isfinite(expected).all()
    if op == "Conv":  # of a kernel as large as the image
        pair = Pair(op, weight.reshape(30, 10, 3, 3), {"X": x.reshape(batch, 10, 3, 3)})
    else:
        pair = Pair(op, weight if op == "Gemm" else weight.T, {"A": x}, {"transB": 1} if op == "Gemm" else {})
    found = pair.run(pair.sparse_model()).reshape(batch, 30)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
