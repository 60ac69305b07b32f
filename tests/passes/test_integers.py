"""Models whose weights are integers already: coded without loss, whatever reads them, and the same operators run."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import ml_dtypes
import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime as ort
import pytest

import onnxdc
from onnxdc import Recipe, Rule
from onnxdc.domain.operators import DOMAIN
from onnxdc.domain.provenance import KEY
from onnxdc.errors import ModelError
from onnxdc.graph.slots import Role
from tests.helpers.integer_models import (
    MODELS,
    SIZE,
    fake_quantised,
    feeds_of,
    gather_block_quantized,
    integers,
    matmul_integer,
    model_of,
    qdq_conv,
    qgemm,
)
from tests.helpers.small_models import saved
from tests.helpers.text_models import build

LEVELS = [
    ort.GraphOptimizationLevel.ORT_DISABLE_ALL,
    ort.GraphOptimizationLevel.ORT_ENABLE_BASIC,
    ort.GraphOptimizationLevel.ORT_ENABLE_ALL,
]


def optimised(path: Path, level: ort.GraphOptimizationLevel, out: Path) -> tuple[ort.InferenceSession, Counter[str]]:
    """A session of onnxruntime alone, and how often each operator is in what it runs."""
    options = ort.SessionOptions()
    options.graph_optimization_level, options.optimized_model_filepath = level, str(out)
    options.log_severity_level = 4
    session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    operators = Counter(node.op_type for node in all_nodes(onnx.load(out).graph))
    del operators["Constant"]  # of a subgraph, which onnxruntime makes an initializer only where it folds something
    return session, operators


def all_nodes(graph: onnx.GraphProto) -> list[onnx.NodeProto]:
    inner = [attribute.g for node in graph.node for attribute in node.attribute if attribute.HasField("g")]
    return [*graph.node, *(node for each in inner for node in all_nodes(each))]


def proto(model: ir.Model) -> bytes:
    return onnx.ModelProto.SerializeToString(ir.to_proto(model), deterministic=True)


@pytest.mark.parametrize("name", MODELS)
def test_coded_models_run_as_the_uncoded_ones_and_come_back(name: str, tmp_path: Path) -> None:
    model = MODELS[name]()
    result = onnxdc.encode(model, execution="dense")
    before, after = saved(model, tmp_path / "a.onnx"), tmp_path / "b.onnx"
    result.save(after)
    onnx.checker.check_model(str(after), full_check=True)

    assert after.stat().st_size < before.stat().st_size
    coded = [row for row in result.report.rows if row.is_integer and row.encoded_bytes is not None]
    assert coded
    feeds = feeds_of(model)
    for level in LEVELS:
        plain, small = (optimised(path, level, tmp_path / "o.onnx") for path in (before, after))
        for a, b in zip(plain[0].run(None, feeds), small[0].run(None, feeds), strict=True):
            if level == LEVELS[0] and name in (
                "MatMulNBits",
                "mixed",
            ):  # other kernels: what they multiply by is not constant
                np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)
            else:
                np.testing.assert_array_equal(a, b)
        if level == LEVELS[2]:
            assert plain[1] == small[1]
    for a, b in zip(onnxdc.session(model).run(None, feeds), onnxdc.session(after).run(None, feeds), strict=True):
        np.testing.assert_array_equal(a, b)
    assert proto(onnxdc.decode(after).model) == proto(model)
    expanded = onnxdc.expand(after).model
    assert not any(node.op_type.startswith("Decode") for node in expanded.graph)


@pytest.mark.parametrize("name", MODELS)
def test_compress_codes_them_too(name: str) -> None:
    model = MODELS[name]()
    result = onnxdc.compress(model)

    assert any(row.is_integer and row.encoded_bytes is not None for row in result.report.rows)
    assert any(node.domain == DOMAIN for graph in result.model.graphs() for node in graph)


@pytest.mark.parametrize("opset", [11, 13, 17, 19, 21])
@pytest.mark.parametrize("ir_version", [3, 4, 8])
def test_operator_sets(opset: int, ir_version: int, tmp_path: Path) -> None:
    model = qdq_conv(opset, ir_version)
    if ir_version == 3:
        model.graph.inputs.extend(model.graph.initializers.values())
    result = onnxdc.encode(model)

    assert proto(onnxdc.decode(result.model).model) == proto(model)


@pytest.mark.parametrize("field", ["int32_data", "raw_data", "external"])
@pytest.mark.parametrize("dtype", [np.int8, np.uint8, ml_dtypes.int4, ml_dtypes.uint4])
def test_the_field_that_holds_the_data_comes_back(field: str, dtype: type, tmp_path: Path) -> None:
    array = integers(301, 203, dtype=dtype, spread=2, centre=0 if np.dtype(dtype).kind == "i" else 5)
    model = model_of(
        [
            onnx.helper.make_node("DequantizeLinear", ["w", "s"], ["d"]),
            onnx.helper.make_node("MatMul", ["x", "d"], ["y"]),
        ],
        (1, ["N", 301]),
        (1, 2),
        21,
        10,
        w=array,
        s=np.float32(0.1),
    )
    path = saved(model, tmp_path / "a.onnx")
    whole = onnx.load(path)
    if field == "int32_data":
        kind = onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
        tensor = onnx.helper.make_tensor("w", kind, array.shape, array.astype(np.int32).ravel())
        whole.graph.initializer[0].CopyFrom(tensor)
        assert len(tensor.int32_data)
        assert not tensor.raw_data
    onnx.save(whole, path, save_as_external_data=field == "external", location="a.data", size_threshold=0)
    onnxdc.encode(path).save(tmp_path / "b.onnx")
    onnxdc.decode(tmp_path / "b.onnx").save(tmp_path / "c.onnx")

    expected = onnx.load(path).graph.initializer[0]
    found = onnx.load(tmp_path / "c.onnx").graph.initializer[0]
    expected.ClearField("data_location")
    expected.ClearField("external_data")
    assert found == expected


def test_sparse_integers_take_the_gap_form() -> None:
    result = onnxdc.encode(qgemm(integers(SIZE, SIZE, spread=30, density=0.1)))
    (row,) = [row for row in result.report.rows if row.is_integer]

    assert row.index_bits is not None
    assert row.encoded_bytes < row.dense_bytes * 0.25
    assert any(node.op_type == "DecodeInteger" for node in result.model.graph)


def test_weights_of_one_type_have_one_codebook() -> None:
    """Also unsigned ones whose middle hardly differs."""
    for dtype, centres in ((np.int8, (0, 0, 0)), (np.uint8, (127, 128, 129))):
        arrays = {
            f"w{i}": integers(SIZE, SIZE, dtype=dtype, spread=20, centre=c, seed=i) for i, c in enumerate(centres)
        }
        nodes, last = [], "x"
        for index in range(3):
            nodes += [
                onnx.helper.make_node("DequantizeLinear", [f"w{index}", "s"], [f"d{index}"]),
                onnx.helper.make_node("MatMul", [last, f"d{index}"], [f"m{index}"]),
            ]
            last = f"m{index}"
        nodes[-1].output[0] = "y"
        model = model_of(nodes, (1, ["N", SIZE]), (1, 2), s=np.float32(0.1), **arrays)
        result = onnxdc.encode(model)

        assert sum(name.endswith(".codebook") for name in result.model.graph.initializers) == 1
        assert proto(onnxdc.decode(result.model).model) == proto(model)


def test_an_input_that_a_caller_may_give_stays() -> None:
    model = qgemm()
    model.graph.inputs.append(model.graph.initializers["w"])
    with pytest.raises(
        ModelError, match=r"w: already int8, feeds DequantizeLinear, and is an input of the graph: a call"
    ):
        onnxdc.encode(model)


@pytest.mark.parametrize(("min_elements", "role"), [(SIZE * SIZE, Role.INTEGERS), (SIZE * SIZE + 1, None)])
def test_the_smallest_size_is_inclusive(min_elements: int, role: Role | None) -> None:
    model = qgemm()
    report = onnxdc.inspect(model, min_elements=min_elements)

    assert [row.name for row in report.rows] == (["w"] if role else [])
    if role is None:
        with pytest.raises(ModelError, match=r"w: 36864 elements, fewer than 36865"):
            onnxdc.encode(model, min_elements=min_elements)


def test_rules_may_say_how_integers_are_coded_and_nothing_else() -> None:
    model = matmul_integer()
    skipped = onnxdc.Recipe(rules=(onnxdc.Rule(pattern="w", skip=True),))
    with pytest.raises(ModelError, match="w: left alone by the recipe"):
        onnxdc.encode(model, skipped)
    by_reader = onnxdc.Recipe(rules=(onnxdc.Rule(op="MatMulInteger", index_bits=3),))
    assert onnxdc.encode(model, by_reader).report.is_encoded
    pruning = onnxdc.Recipe(rules=(onnxdc.Rule(pattern="w", density=0.5),))
    with pytest.raises(onnxdc.errors.RecipeError, match="w is skipped: already int8, feeds MatMulInteger"):
        onnxdc.compress(model, pruning)


def test_no_elements_and_no_readers() -> None:
    model = qgemm()
    empty = ir.Value(name="empty", const_value=ir.Tensor(np.zeros((0, 4), np.int8), name="empty"))
    unread = ir.Value(name="unread", const_value=ir.Tensor(integers(SIZE, SIZE, seed=5), name="unread"))
    for value in (empty, unread):
        model.graph.initializers.add(value)
    result = onnxdc.encode(model, min_elements=0)
    reasons = {skip.name: skip.reason for skip in result.report.skips}

    assert reasons["unread"] == "already int8, not used"
    assert proto(onnxdc.decode(result.model).model) == proto(model)


def test_four_bits_take_an_operator_set_that_yields_them() -> None:
    with pytest.raises(ModelError, match="w: no function yields uint4 before operator set 21, and the model is of 17"):
        onnxdc.encode(gather_block_quantized(opset=17))


@pytest.mark.parametrize("channels", [(), (64,)])
@pytest.mark.parametrize(
    ("dtype", "opset"), [(np.int8, 13), (np.uint8, 17), (ml_dtypes.int4, 21), (ml_dtypes.uint4, 21)]
)
def test_fake_quantised_weights_become_integers_first(
    dtype: type, opset: int, channels: tuple[int, ...], tmp_path: Path
) -> None:
    model = fake_quantised(dtype, channels, opset)
    result = onnxdc.compress(model)
    (row,) = [row for row in result.report.rows if row.encoded_bytes is not None]
    assert (row.name, row.dtype, row.reader) == ("w", np.dtype(dtype).name, "Conv after DequantizeLinear")
    assert row.kind == "conv"

    result.save(tmp_path / "b.onnx")
    before = saved(model, tmp_path / "a.onnx")
    plain, small = (optimised(path, LEVELS[2], tmp_path / "o.onnx") for path in (before, tmp_path / "b.onnx"))
    assert plain[1] == small[1]
    feeds = feeds_of(model)
    np.testing.assert_array_equal(plain[0].run(None, feeds)[0], small[0].run(None, feeds)[0])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"density": 0.1}, "density"),
        ({"step": 0.3, "bits": 4}, "step, bits"),
        ({"global_density": 0.2}, "global_density"),
    ],
)
def test_what_is_asked_of_values_is_not_for_integers(options: dict[str, float], said: str) -> None:
    model = MODELS["MatMulInteger, unsigned"]()
    result = onnxdc.compress(model, **options)

    assert f"{said}: not for w: already uint8, coded as they are" in result.report.remarks
    np.testing.assert_array_equal(
        onnxdc.decode(result.model).model.graph.initializers["w"].const_value.numpy(),
        model.graph.initializers["w"].const_value.numpy(),
    )
    assert not any("not for" in remark for remark in onnxdc.compress(model).report.remarks)


def test_data_do_nothing_for_integers_and_a_size_that_cannot_be_had_is_an_error() -> None:
    model = matmul_integer()
    data = [feeds_of(model)] * 60
    result = onnxdc.compress(model, data=data)

    assert "data: not for w: already int8, coded as they are" in result.report.remarks
    with pytest.raises(ModelError, match="expected a file of at most 9,000 bytes, got"):
        onnxdc.compress(model, target_size=9000)


def test_tune_has_nothing_to_tune(tmp_path: Path) -> None:
    model = matmul_integer()
    with pytest.raises(ModelError, match=r"no weight to compress in a quantized model.*w: already int8"):
        onnxdc.tune(model, tmp_path, data=[feeds_of(model)] * 60)


@pytest.mark.parametrize("spread", [0, 1, 2, 30])
@pytest.mark.parametrize("size", [64, 75, 100, 256])
def test_a_small_weight_whose_codewords_no_other_has_makes_no_file_larger(size: int, spread: int) -> None:
    rng = np.random.default_rng(size)
    large = rng.laplace(scale=3, size=(200, 100)).clip(-127, 127).astype(np.int8)
    small = rng.integers(-spread, spread + 1, (size, 4)).astype(np.int8)
    text = f"""g (float[N, 200] x, float[N, {size}] z) => (float[N, 100] y, float[N, 4] w) {{
        a = DequantizeLinear (A, s)
        y = MatMul (x, a)
        b = DequantizeLinear (B, s)
        w = MatMul (z, b)
    }}"""
    model = build(text, A=large, B=small, s=np.array(0.1, np.float32))
    alone = Recipe(rules=(Rule(pattern="B", skip=True),))
    both, one = (onnxdc.encode(model, recipe, check=False).model for recipe in (Recipe(), alone))
    for coded in (both, one):
        del coded.metadata_props[KEY]  # which says the rule
    assert len(proto(both)) <= len(proto(one))
