"""Made-up inputs: what the file and the names say of them, and what tells the most."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

import onnxdc
from onnxdc import ModelError
from onnxdc.evaluate.inputs import made_up_feeds
from onnxdc.evaluate.runner import runners
from onnxdc.model_io.feeds import Feed, input_specs, random_feed
from tests.helpers.text_models import build, normal


def feeds_of(model: ir.Model) -> list[Feed]:
    return made_up_feeds(input_specs(model, "model"), next(runners(model)), 0)


def shape_of(text: str, **arrays: np.ndarray) -> tuple[int, ...]:
    """The shape of ``x`` in the first feed."""
    return feeds_of(build(text, **arrays))[0]["x"].shape


def test_weights_say_which_sizes_fit():
    assert shape_of("g (float[N, M] x) => (float[N, K] y) { y = MatMul(x, w) }", w=normal(37, 3)) == (2, 37)
    assert shape_of("g (float[N, M] x) => (float[N, K] y) { y = Gemm<transB = 1>(x, w) }", w=normal(5, 9)) == (2, 9)
    conv = "g (float[N, C, H, W] x) => (float[N, K, A, B] y) { y = Conv<group = 2>(x, w) }"
    assert shape_of(conv, w=normal(8, 3, 3, 3)) == (2, 6, 16, 16)
    behind = (
        "g (float[N, H, W, C] x) => (float[N, K, A, B] y) { t = Transpose<perm = [0, 3, 1, 2]>(x)  y = Conv(t, w) }"
    )
    assert shape_of(behind, w=normal(8, 3, 3, 3)) == (2, 16, 16, 3)
    norm = "g (float[N, M] x) => (float[N, M] y) { t = Sub(x, w)  y = Relu(t) }"
    assert shape_of(norm, w=normal(11)) == (2, 11)


def test_a_long_chain_is_walked_without_recursion():
    nodes = "".join(f"t{i + 1} = Identity(t{i})  " for i in range(3000))
    model = build(f"g (float[N, M] t0) => (float[N, K] y) {{ {nodes} y = MatMul(t3000, w) }}", w=normal(7, 3))
    assert input_specs(model, "model")[0].implied == ()


@pytest.mark.parametrize("size", [-1, 0, 2**40])
def test_sizes_that_no_array_has_are_open(size: int):
    proto = ir.to_proto(build("g (float[N, 8] x) => (float[N, 3] y) { y = MatMul(x, w) }", w=normal(8, 3)))
    proto.graph.input[0].type.tensor_type.shape.dim[0].dim_value = size
    assert onnxdc.verify(proto, proto).verdict == "ok"
    assert onnxdc.verify(proto, proto, {"x": normal(70, 8)}).runs == 2


def test_sizes_with_one_name_are_one_size_and_sums_add_up():
    model = build(
        """
        g (float[batch, past] p, float[batch, seq] x, int64[batch, total] attention_mask) => (float[batch, t] y) {
            c = Concat<axis = 1>(p, x)
            m = Cast<to = 1>(attention_mask)
            y = Mul(c, m)
        }
        """
    )
    feed = feeds_of(model)[0]
    assert feed["attention_mask"].shape == (2, 32)
    assert (feed["attention_mask"] == 1).all()
    proto = ir.to_proto(model)
    proto.graph.input[2].type.tensor_type.shape.dim[1].dim_param = "past + seq"
    assert onnxdc.verify(proto, proto).verdict == "ok"


def test_states_have_their_items_in_a_later_axis():
    model = build(
        """
        g (float[2, M, 8] state, float[N, 4] x) => (float[2, A, 4] y) {
            t = MatMul(state, w)
            y = Add(t, x)
        }
        """,
        w=normal(8, 4),
    )
    assert feeds_of(model)[0]["state"].shape == (2, 2, 8)


@pytest.mark.parametrize("shape", ["N, S", "1, 512", "1, 1, S"])
def test_sound_is_long_and_has_a_rate(shape: str):
    model = build(
        f"""
        g (float[{shape}] x, int64 sr) => (float[{shape}] y) {{
            rate = Cast<to = 1>(sr)
            y = Div(x, rate)
        }}
        """
    )
    feed = feeds_of(model)[0]
    assert feed["sr"] == 16000
    assert feed["x"].shape[-1] in (512, 16000)
    assert 0.1 < np.abs(feed["x"]).max() < 1


def test_lengths_are_those_of_the_features():
    model = build(
        "g (float[N, 80, T] features, int64[N] feature_lengths) => (float[N, 80, T] y, int64[N] n) {"
        " y = Identity(features)  n = Identity(feature_lengths) }"
    )
    assert feeds_of(model)[0]["feature_lengths"].tolist() == [16, 16]


def test_masks_let_everything_pass():
    model = build(
        "g (bool[N, 4] mask, bool[N, 4] pad_mask, float[N, 4] x_mask, int64[N, 4] position_ids) =>"
        " (bool[N, 4] a, bool[N, 4] b, float[N, 4] c, int64[N, 4] d) {"
        " a = Identity(mask)  b = Identity(pad_mask)  c = Identity(x_mask)  d = Identity(position_ids) }"
    )
    feed = random_feed(input_specs(model, "model"), 2, 16, np.random.default_rng(0))
    assert feed["mask"].all()
    assert not feed["pad_mask"].any()
    assert (feed["x_mask"] == 1).all()
    assert feed["position_ids"].tolist() == [[0, 1, 2, 3]] * 2


def test_smaller_values_are_tried_where_large_ones_tell_nothing():
    detector = build(
        "g (float[N, 64] x) => (float[N, 1] y) { q = Mul(x, x)  m = ReduceSum(q, a)  y = Sigmoid(m) }", a=np.array([1])
    )
    assert max(np.abs(feed["x"]).max() for feed in feeds_of(detector)) < 1
    assert onnxdc.verify(detector, detector).verdict == "ok"


def test_longer_inputs_are_tried_where_short_ones_are_no_numbers():
    framed = build(
        """
        g (float[N, S] x) => (float[N, T] y) {
            f = Slice(x, start, end, axis)
            m = ReduceMean<axes = [1], keepdims = 1>(f)
            n = Shape(f)
            k = Cast<to = 1>(n)
            q = Gather(k, one)
            z = Div(m, q)
            y = Mul(z, q)
        }
        """,
        start=np.array([100]),
        end=np.array([10**6]),
        axis=np.array([1]),
        one=np.array([1]),
    )
    assert feeds_of(framed)[0]["x"].shape == (1, 224)
    assert onnxdc.verify(framed, framed).verdict == "ok"


def test_what_runs_on_nothing_asks_for_real_inputs():
    model = build(
        "g (float[N, M] x) => (float[A, K] y) { r = Reshape(x, s)  y = MatMul(r, w) }",
        s=np.array([-1, 37]),
        w=normal(37, 3),
    )
    with pytest.raises(ModelError, match=r"tries with made-up inputs; give real ones with inputs\)") as refused:
        onnxdc.verify(model, model)
    assert "\n" not in str(refused.value)
    assert len(str(refused.value)) < 500


def test_inputs_are_not_made_up_beyond_a_bound():
    model = build("g (float[N, 100000, 100000] x) => (float[N, 100000, 100000] y) { y = Identity(x) }")
    with pytest.raises(ModelError, match="made-up inputs would take 80000000000 bytes, at most 268435456"):
        onnxdc.verify(model, model)


def test_indices_stay_below_the_rows_of_a_table_that_is_compressed():
    model = build("g (int64[N] i) => (float[N, 64] y) { y = Gather(table, i) }", table=normal(300, 64))
    compressed = onnxdc.compress(model, execution="sparse", check=False).model
    assert {node.op_type for node in compressed.graph} >= {"SparseQuantGather"}
    assert input_specs(compressed, "model")[0].limit == input_specs(model, "model")[0].limit == 300
