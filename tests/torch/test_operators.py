"""Each operator of the PyTorch table gives what onnxruntime does on the `onnx` package's node tests."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Sequence

import ml_dtypes
import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime
import pytest
import torch

from onnxdc.errors import ModelError
from onnxdc.torch.module import OnnxModule
from onnxdc.torch.operators import SUPPORTED
from onnxdc.torch.types import to_numpy, to_torch
from tests.helpers.text_models import build, normal, run

TYPES = ("bool", "uint8", "int8", "int16", "int32", "int64", "float16", "float32", "float64", "bfloat16")

# Forms of operators that are refused by name when the module is made.
REFUSED = {
    "batchnorm_example_training_mode": "training_mode",
    "batchnorm_epsilon_training_mode": "training_mode",
    "maxpool_with_argmax_2d_precomputed_pads": "indices",
    "maxpool_with_argmax_2d_precomputed_strides": "indices",
    "resize_downsample_scales_linear_antialias": "antialias",
    "resize_downsample_sizes_linear_antialias": "antialias",
    "resize_downsample_scales_cubic_antialias": "antialias",
    "resize_downsample_sizes_cubic_antialias": "antialias",
    "resize_tf_crop_and_resize": "tf_crop_and_resize",
    "resize_tf_crop_and_resize_extrapolation_value": "tf_crop_and_resize",
    "resize_tf_crop_and_resize_axes_2_3": "tf_crop_and_resize",
    "resize_tf_crop_and_resize_axes_3_2": "tf_crop_and_resize",
    "scatternd_multiply": "'mul'",
    "scatternd_max": "'max'",
    "scatternd_min": "'min'",
    "scatternd_max_with_element_indices": "'max'",
    "scatternd_min_with_element_indices": "'min'",
    "dropout_default_ratio": "constant ratio",
    "dropout_default_mask": "the mask",
    "dropout_default_mask_ratio": "the mask",
    "training_dropout_default": "constant ratio",
    "training_dropout_default_mask": "the mask",
    "training_dropout": "constant ratio",
    "training_dropout_mask": "the mask",
    "training_dropout_zero_ratio": "constant ratio",
    "training_dropout_zero_ratio_mask": "the mask",
}
# torch has no largest element of nothing, and says so when it is asked for.
EMPTY = ("reduce_max_empty_set", "reduce_max_empty_set_bool", "reduce_min_empty_set")


def is_covered(case: object) -> bool:
    """Tell whether all operators of a case are in the table, and all its tensors of types that PyTorch has."""
    nodes = case.model.graph.node
    tensors = [tensor for arrays in case.data_sets[0] for tensor in arrays]
    return (
        all(node.op_type in SUPPORTED and node.domain == "" for node in nodes)
        and not any(node.op_type == "If" and case.name.endswith(("_seq", "_opt")) for node in nodes)
        and all(isinstance(tensor, np.ndarray | np.generic) for tensor in tensors)
        and all(np.asarray(tensor).dtype.name in TYPES for tensor in tensors)
    )


def collected() -> dict[str, object]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the suite's own modules divide by zero and cast NaN on purpose
        cases = importlib.import_module("onnx.backend.test.case.node").collect_testcases(None)
    return {case.name.removeprefix("test_"): case for case in cases if is_covered(case)}


CASES = collected()
RUN = {name: case for name, case in CASES.items() if name not in REFUSED and name not in EMPTY}


def expected(model: onnx.ModelProto, inputs: Sequence[np.ndarray], stored: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Return the outputs of onnxruntime; those that are stored with the case where it has no kernel for it."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    feeds = dict(zip((value.name for value in model.graph.input), map(np.asarray, inputs), strict=True))
    try:
        session = onnxruntime.InferenceSession(model.SerializeToString(), options, ["CPUExecutionProvider"])
        return session.run(None, feeds)
    except Exception:  # onnxruntime raises many types, which share no base
        return [np.asarray(array) for array in stored]


def assert_same(output: np.ndarray, wanted: np.ndarray) -> None:
    """Assert that they are equal to 1e-5 of the largest element, or a few units of a half-precision type."""
    wanted = np.asarray(wanted)
    assert output.dtype == wanted.dtype
    assert output.shape == wanted.shape
    if wanted.dtype.name not in ("float16", "bfloat16", "float32", "float64"):
        np.testing.assert_array_equal(output, wanted)
        return
    tolerance = 1e-5 if wanted.dtype.itemsize > 2 else 4 * float(ml_dtypes.finfo(wanted.dtype).eps)
    largest = np.abs(wanted[np.isfinite(wanted)].astype(np.float64)).max(initial=0)
    np.testing.assert_allclose(
        output.astype(np.float64), wanted.astype(np.float64), rtol=tolerance, atol=tolerance * largest
    )


@pytest.mark.parametrize("name", RUN)
def test_node(name: str) -> None:
    case = RUN[name]
    inputs, stored = case.data_sets[0]
    module = OnnxModule(ir.from_proto(case.model), {}).eval()
    outputs = module(*(to_torch(np.asarray(array)) for array in inputs))
    outputs = outputs if isinstance(outputs, tuple) else (outputs,)
    for output, wanted in zip(outputs, expected(case.model, inputs, stored), strict=True):
        assert_same(to_numpy(output), wanted)


@pytest.mark.parametrize("name", REFUSED)
def test_a_form_that_is_not_covered_is_refused_by_name(name: str) -> None:
    with pytest.raises(ModelError, match=REFUSED[name]):
        OnnxModule(ir.from_proto(CASES[name].model), {})


@pytest.mark.parametrize("name", EMPTY)
def test_the_largest_of_nothing_names_its_node(name: str) -> None:
    module = OnnxModule(ir.from_proto(CASES[name].model), {})
    with pytest.raises(ModelError, match=r"node 'reduced' \(Reduce"):
        module(*(to_torch(np.asarray(array)) for array in CASES[name].data_sets[0][0]))


def test_every_operator_is_tested() -> None:
    tested = {node.op_type for case in RUN.values() for node in case.model.graph.node}
    assert set(SUPPORTED) <= tested


@pytest.mark.parametrize(
    ("text", "opset", "feeds"),
    [
        ("g (float[N, 4] x) => (float[N, M] y) { y = Slice <starts=[1], ends=[-1], axes=[1]> (x) }", 9, {}),
        ("g (float[N, 4] x) => (float[N, 1, 4] y) { y = Unsqueeze <axes=[1]> (x) }", 9, {}),
        ("g (float[N, 4] x) => (float[N] y) { y = ReduceSum <axes=[1], keepdims=0> (x) }", 9, {}),
        ("g (float[N, 4] x) => (float[N, 4] y) { y = Clip <min=-0.5, max=0.5> (x) }", 9, {}),
        ("g (float[N, 4] x) => (float[N, 6] y) { y = Pad <pads=[0, 1, 0, 1], value=2.0> (x) }", 9, {}),
        ("g (float[N, 4] x) => (float[N, 1] y, float[N, 3] z) { y, z = Split <axis=1, split=[1, 3]> (x) }", 9, {}),
        ("g (float[N, 4] x) => (float[N, 4] y) { y = Dropout <ratio=0.3> (x) }", 9, {}),
        ("g (float[N, 4, 3] x) => (float[N, 4, 3] y) { y = Softmax (x) }", 9, {"x": normal(5, 4, 3)}),
        ("g (float[N, 4, 3] x) => (float[N, 4, 3] y) { y = LogSoftmax <axis=2> (x) }", 9, {"x": normal(5, 4, 3)}),
        ("g (float[2, 3, 4] x) => (float[12, 2] y) { y = Flatten <axis=-1> (x) }", 13, {"x": normal(2, 3, 4)}),
    ],
)
def test_older_operator_sets(text: str, opset: int, feeds: dict[str, np.ndarray]) -> None:
    feeds = feeds or {"x": normal(5, 4)}
    model = build(text, opset=opset)
    outputs = OnnxModule(model, {}).eval()(*(to_torch(array) for array in feeds.values()))
    outputs = outputs if isinstance(outputs, tuple) else (outputs,)
    for output, wanted in zip(outputs, run(model, feeds), strict=True):
        assert_same(to_numpy(output), wanted)


@pytest.mark.parametrize(
    ("text", "arrays", "x"),
    [
        (
            "g (float[4, N] x) => (float[M, N] y) { y = Slice(x, starts, ends, axes, steps) }",
            {"starts": np.array([-5]), "ends": np.array([-9]), "axes": np.array([0]), "steps": np.array([-2])},
            normal(4, 3),
        ),
        (
            """g (float[6, 3, 4] x) => (float[6, 1, 3, 5] y) {
                y = LSTM <hidden_size=5, clip=0.5> (x, W, R, B, lengths, , , P)
            }""",
            {
                "W": normal(1, 20, 4),
                "R": normal(1, 20, 5),
                "B": normal(1, 40),
                "P": normal(1, 15),
                "lengths": np.array([6, 2, 4], np.int32),
            },
            normal(6, 3, 4),
        ),
        (
            """g (float[2, 4, 5] x) => (float[2, 3, N] y) {
                y = ConvTranspose <auto_pad="SAME_LOWER", strides=[2]> (x, W)
            }""",
            {"W": normal(4, 3, 1)},
            normal(2, 4, 5),
        ),
        (
            'g (float[1, 1, 7] x) => (float[1, 1, M] y) { y = Resize <nearest_mode="floor"> (x, , , sizes) }',
            {"sizes": np.array([1, 1, 9])},
            normal(1, 1, 7),
        ),
    ],
    ids=[
        "a range that starts before the axis",
        "clipped gates",
        "no negative padding",
        "halfway in float32",
    ],
)
def test_where_readings_of_the_specification_differ(text: str, arrays: dict[str, np.ndarray], x: np.ndarray) -> None:
    model = build(text, opset=19, **arrays)
    output = OnnxModule(model, {})(torch.from_numpy(x))
    assert_same(to_numpy(output), run(model, {"x": x})[0])


def test_dropout_drops_only_while_training() -> None:
    model = build("g (float[N] x) => (float[N] y) { y = Dropout(x, rate) }", rate=np.array(0.25, np.float32))
    module, x = OnnxModule(model, {}), torch.ones(20_000)
    dropped = module.train()(x)
    assert dropped.unique().tolist() == pytest.approx([0.0, 1 / 0.75])
    assert float((dropped == 0).float().mean()) == pytest.approx(0.25, abs=0.02)
    assert torch.equal(module.eval()(x), x)
    module.dropouts["y"].p = 0.0
    assert torch.equal(module.train()(x), x)


def test_all_missing_operators_are_named_before_anything_runs() -> None:
    model = build("g (float[N] x) => (float[N] y) { a = Det(x)  b = local.Own(a)  y = STFT(b, b) }")
    with pytest.raises(ModelError, match=r"^no PyTorch form of Det, local\.Own, STFT; covered are Abs, .*Xor$"):
        OnnxModule(model, {})
