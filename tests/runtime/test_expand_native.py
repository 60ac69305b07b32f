"""Compressed models that the native library expands: plain onnxruntime yields the same bits as before."""

from __future__ import annotations

import ctypes
import re
from collections.abc import Mapping
from pathlib import Path

import ml_dtypes
import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime
import pytest
from onnx import TensorProto

import onnxdc
from onnxdc import native
from onnxdc.domain.operators import DECODERS, DOMAIN, QUANTIZE_BIAS
from tests.helpers.c_interface import ExpandError, expand_buffer, expand_file, version
from tests.helpers.few_values import weight
from tests.helpers.integer_models import MODELS as INTEGERS
from tests.helpers.integer_models import feeds_of
from tests.helpers.merged_decoder import FEEDS, merged_decoder
from tests.helpers.text_models import build, normal, tensor
from tests.vectors import vector_file

ROOT = Path(__file__).parents[2]
VECTORS = ROOT / "tests" / "vectors"

LAYERS = """
    layers (float[N, 40] x) => (float[N, 500] y) {
        h = Gemm(x, fc1, b1)
        a = Relu(h)
        y = MatMul(a, fc2)
    }
"""
BRANCHES = """
    branches (float[N, 40] x, bool c) => (float[N, 84] y) {
        h = MatMul(x, outer)
        y = If (c) <
            then_branch = t () => (float[N, 84] p) { p = MatMul(h, w1) },
            else_branch = e () => (float[N, 84] q) { a = MatMul(h, w2)  q = Add(a, one) }
        >
    }
"""


def layers(hidden: int = 1000) -> ir.Model:
    return build(LAYERS, fc1=weight(40, hidden), b1=normal(hidden), fc2=weight(hidden, 500, seed=1))


def branches() -> ir.Model:
    """Weights in the graph and in both of its branches."""
    model = onnx.parser.parse_model('<ir_version: 8, opset_import: ["" : 17]>' + BRANCHES)
    then_graph, else_graph = (attribute.g for attribute in model.graph.node[1].attribute)
    model.graph.initializer.extend([tensor("outer", weight(40, 84)), tensor("one", normal(84))])
    then_graph.initializer.append(tensor("w1", weight(84, 84, seed=1)))
    else_graph.initializer.append(tensor("w2", weight(84, 84, seed=2)))
    return ir.from_proto(model)


def constant_nodes() -> ir.Model:
    model = ir.to_proto(layers())
    for i, name in enumerate(("fc1", "fc2")):
        (tensor,) = (tensor for tensor in model.graph.initializer if tensor.name == name)
        model.graph.node.insert(i, onnx.helper.make_node("Constant", [], [name], value=tensor))
        model.graph.initializer.remove(tensor)
    return ir.from_proto(model)


def of_type(dtype: object) -> ir.Model:
    """A weight of another type, which is converted before it is used."""
    text = "typed (float[N, 40] x) => (float[N, 84] y) { f = Cast<to: int = 1>(w)  y = MatMul(x, f) }"
    return build(text, w=weight(40, 84, values=12, density=0.5).astype(dtype))


MODELS = {
    "layers": layers,
    "small": lambda: layers(hidden=10),
    "branches": branches,
    "merged": merged_decoder,
    "constant_nodes": constant_nodes,
    "float16": lambda: of_type(np.float16),
    "float64": lambda: of_type(np.float64),
    "bfloat16": lambda: of_type(ml_dtypes.bfloat16),
}


def compressed(model: ir.Model, execution: str) -> onnx.ModelProto:
    return ir.to_proto(onnxdc.encode(model, execution=execution, min_elements=0, force=True, check=False).model)


def run(model: onnx.ModelProto, feeds: Mapping[str, np.ndarray], *, library: bool = False) -> list[np.ndarray]:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    if library:
        options.register_custom_ops_library(native.library_path())
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run(None, dict(feeds))


def expand(model: onnx.ModelProto) -> onnx.ModelProto:
    expanded = onnx.load_from_string(expand_buffer(model.SerializeToString()))
    onnx.checker.check_model(expanded, full_check=True)
    return expanded


def own_types(model: onnx.ModelProto) -> set[str]:
    """The operators of the domain that a model has in its graphs."""
    return {node.op_type for graph in ir.from_proto(model).graphs() for node in graph if node.domain == DOMAIN}


def own_tensors(model: onnx.ModelProto) -> set[str]:
    """The tensors of groups in a model."""
    names = {name for graph in ir.from_proto(model).graphs() for name in graph.initializers}
    return {name for name in names if re.search(r"\.(codebook|codes|gaps|low_bits|extent|\w+_table)$", name)}


@pytest.mark.parametrize("execution", ["dense", "sparse", "auto"])
@pytest.mark.parametrize("name", MODELS)
def test_outputs_are_the_same_bits(name: str, execution: str) -> None:
    model = compressed(MODELS[name](), execution)
    expanded = expand(model)
    assert own_types(model)
    assert not own_types(expanded) & set(DECODERS)
    x = normal(3, 40, seed=9)
    feeds = {"branches": [{"x": x, "c": np.array(c)} for c in (False, True)], "merged": FEEDS}
    for one in feeds.get(name, [{"x": x}]):
        for library in (False, True):
            for found, expected in zip(
                run(expanded, one, library=library), run(model, one, library=library), strict=True
            ):
                assert found.tobytes() == expected.tobytes()


@pytest.mark.parametrize("name", MODELS)
def test_a_model_that_runs_dense_is_plain_then(name: str) -> None:
    original = MODELS[name]()
    expanded = expand(compressed(original, "dense"))
    assert not own_types(expanded)
    assert not own_tensors(expanded)
    assert not expanded.functions
    assert [opset.domain for opset in expanded.opset_import if opset.domain == DOMAIN] == []
    weights = {
        name: value.const_value
        for graph in ir.from_proto(expanded).graphs()
        for name, value in graph.initializers.items()
    }
    for graph in original.graphs():
        for name, value in graph.initializers.items():
            assert weights[name].dtype == value.const_value.dtype
            assert weights[name].numpy().tobytes() == value.const_value.numpy().tobytes()


def test_streams_are_of_both_kinds() -> None:
    """Models that are as small as most of these here have no packets."""
    assert "Symbols" in own_types(compressed(layers(), "dense"))
    assert "Symbols" not in own_types(compressed(layers(hidden=10), "dense"))


def test_what_runs_compressed_stays() -> None:
    model = compressed(layers(), "sparse")
    assert expand_buffer(model.SerializeToString()) == model.SerializeToString()


def test_a_file_becomes_what_bytes_become(tmp_path: Path) -> None:
    model = compressed(layers(), "dense").SerializeToString()
    (tmp_path / "small.onnx").write_bytes(model)
    expand_file(tmp_path / "small.onnx", tmp_path / "large.onnx")
    assert (tmp_path / "large.onnx").read_bytes() == expand_buffer(model)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["large.onnx", "small.onnx"]


def test_external_data_is_read_from_the_folder_of_the_model(tmp_path: Path) -> None:
    model, whole = (compressed(layers(), "dense") for _ in range(2))  # saving changes a model
    onnx.save(model, tmp_path / "small.onnx", save_as_external_data=True, location="data", size_threshold=0)
    proto = onnx.load(tmp_path / "small.onnx", load_external_data=False)
    moved = [tensor for tensor in proto.graph.initializer if tensor.dims != [0] and not tensor.int64_data]
    assert all(tensor.data_location == TensorProto.EXTERNAL for tensor in moved)
    with pytest.raises(ExpandError, match=r"EXTERNAL_DATA: fc\d: .* lie outside of the model"):
        expand_buffer(proto.SerializeToString())
    (tmp_path / "other").mkdir()
    x = normal(3, 40, seed=9)
    for out in (tmp_path / "large.onnx", tmp_path / "other" / "large.onnx"):
        expand_file(tmp_path / "small.onnx", out)
        session = onnxruntime.InferenceSession(out, providers=["CPUExecutionProvider"])
        assert session.run(None, {"x": x})[0].tobytes() == run(whole, {"x": x})[0].tobytes()


def test_no_memory_is_taken_beyond_the_limit() -> None:
    model = compressed(layers(), "dense").SerializeToString()
    assert expand_buffer(model, 2160000)
    with pytest.raises(ExpandError, match=r"LIMIT: fc\d: expected the weights to take at most 2159999 bytes"):
        expand_buffer(model, 2159999)


@pytest.mark.parametrize("path", sorted((VECTORS / "good").glob("*.onnx")), ids=lambda path: path.stem)
def test_a_good_vector_becomes_its_weight(path: Path) -> None:
    (tensor,) = onnx.load_from_string(expand_buffer(path.read_bytes())).graph.initializer
    found, expected = onnx.numpy_helper.to_array(tensor), vector_file.load_expected(path)
    assert (tensor.name, found.dtype, found.shape) == ("W", expected.dtype, expected.shape)
    assert found.tobytes() == expected.tobytes()


@pytest.mark.parametrize("path", sorted((VECTORS / "bad").glob("*.onnx")), ids=lambda path: path.stem)
def test_a_bad_vector_is_refused_by_its_rule(path: Path) -> None:
    rule = path.stem.split("--")[0]
    with pytest.raises(ExpandError) as error:
        expand_buffer(path.read_bytes())
    if error.value.result == "LIMIT":  # comes before what only decoding can tell
        assert "far_more_entries" in path.stem
        return
    assert error.value.result == "BAD_WEIGHT"
    found = error.value.text.split(": ")[1]
    # One damaged stream can break several of the last rules.
    late = ("truncated", "packet-fill", "code", "position")
    assert found == rule or (found in late and rule in late)


def test_what_is_no_model_is_an_error() -> None:
    for bytes_ in (b"", b"no model", b"\x08\x08"):
        with pytest.raises(ExpandError, match="BAD_MODEL: no ONNX model"):
            expand_buffer(bytes_)


def test_a_text_that_does_not_fit_is_cut() -> None:
    library = ctypes.CDLL(native.library_path())
    out, size, text = ctypes.c_void_p(), ctypes.c_size_t(), ctypes.create_string_buffer(b"x" * 20, 20)
    arguments = (ctypes.byref(out), ctypes.byref(size), ctypes.c_uint64(0))
    assert library.onnxdc_expand_buffer(b"", ctypes.c_size_t(0), *arguments, text, ctypes.c_size_t(8)) == 1
    assert text.raw == b"no ONNX\0" + b"x" * 12
    assert library.onnxdc_expand_buffer(b"", ctypes.c_size_t(0), *arguments, None, ctypes.c_size_t(0)) == 1


def test_the_version_is_that_of_the_package() -> None:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert re.search(r'^version = "(.+)"', text, re.MULTILINE).group(1) == version()


def test_the_header_is_installed_with_the_library() -> None:
    header = ROOT / "custom_ops" / "include" / "onnxdc.h"
    assert Path(native.include_dir(), "onnxdc.h").read_text(encoding="utf-8") == header.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", INTEGERS)
def test_quantised_models_are_the_original_again(name: str, tmp_path: Path) -> None:
    original = INTEGERS[name]()
    onnxdc.encode(original, execution="dense", check=False).save(tmp_path / "small.onnx")
    expand_file(tmp_path / "small.onnx", tmp_path / "large.onnx")
    expanded = ir.load(tmp_path / "large.onnx")
    feeds = feeds_of(original)

    ours = {node.op_type for graph in expanded.graphs() for node in graph if node.domain == DOMAIN}
    assert ours <= {QUANTIZE_BIAS}  # which onnxruntime folds in no time
    assert expanded.graph.initializers["w"].const_value.dtype == original.graph.initializers["w"].const_value.dtype
    for a, b in zip(plain_run(original, feeds), plain_run(expanded, feeds), strict=True):
        np.testing.assert_array_equal(a, b)


def plain_run(model: ir.Model, feeds: Mapping[str, np.ndarray]) -> list[np.ndarray]:
    """What onnxruntime alone yields."""
    content = ir.to_proto(model).SerializeToString()
    return onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"]).run(None, dict(feeds))
