"""Weights of a graph that run sparse in the graphs inside it, in every way in which a compressed model is opened."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime
import pytest
from onnxruntime import GraphOptimizationLevel

import onnxdc
from onnxdc import native
from tests.helpers.merged_decoder import FEEDS, USES, merged_decoder

# What is left where nothing decodes, with what onnxruntime makes of products, and the native kernels.
PLAIN = {"MatMul", "Relu", "Add", "Identity", "If", "Loop", "Gemm", "FusedMatMul", "FusedGemm"}
NATIVE = {"SparseQuantMatMul", "SparseSymbols"}
OFF, ON = GraphOptimizationLevel.ORT_DISABLE_ALL, GraphOptimizationLevel.ORT_ENABLE_ALL


def compressed(execution: str) -> onnx.ModelProto:
    return onnxdc.encode(merged_decoder(), execution=execution, check=False).to_proto()


def operators(model: ir.Model) -> list[str]:
    """The operators of a model's nodes, in all graphs."""
    return [node.op_type for graph in model.graphs() for node in graph]


def options(level: GraphOptimizationLevel, *, library: bool = False) -> onnxruntime.SessionOptions:
    made = onnxruntime.SessionOptions()
    made.log_severity_level = 3
    made.graph_optimization_level = level
    if library:
        made.register_custom_ops_library(native.library_path())
    return made


def open_file(path: Path, made: onnxruntime.SessionOptions) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(path, made, providers=["CPUExecutionProvider"])


def run_twice(session: onnxruntime.InferenceSession) -> list[list[np.ndarray]]:
    return [session.run(None, feeds) for feeds in (*FEEDS, *FEEDS)]


@pytest.fixture(scope="module")
def expected() -> list[list[np.ndarray]]:
    dense = ir.to_proto(merged_decoder()).SerializeToString()
    return run_twice(onnxruntime.InferenceSession(dense, providers=["CPUExecutionProvider"]))


OPENED: dict[str, Callable[[Path, onnxruntime.SessionOptions], onnxruntime.InferenceSession]] = {
    "session": lambda path, made: onnxdc.session(path, native=True, sess_options=made),
    "portable session": lambda path, made: onnxdc.session(path, native=False, sess_options=made),
    "library": open_file,
    "portable": open_file,
}


@pytest.mark.parametrize("level", [OFF, ON], ids=["off", "on"])
@pytest.mark.parametrize("execution", ["sparse", "dense", "auto"])
@pytest.mark.parametrize("way", OPENED)
def test_outputs_are_those_of_the_dense_model(way, execution, level, expected, tmp_path):
    onnx.save(compressed(execution), tmp_path / "small.onnx")
    session = OPENED[way](tmp_path / "small.onnx", options(level, library=way == "library"))
    for found, outputs in zip(run_twice(session), expected, strict=True):
        np.testing.assert_allclose(found[0], outputs[0], rtol=1e-5, atol=1e-5 * np.abs(outputs[0]).max())


def test_each_use_is_a_sparse_operator_and_the_symbols_are_where_the_groups_are():
    model = ir.from_proto(compressed("sparse"))
    sparse = [op_type for op_type in operators(model) if op_type.startswith("SparseQuant")]
    assert len(sparse) == USES
    (symbols,) = [node for graph in model.graphs() for node in graph if node.op_type == "SparseSymbols"]
    assert symbols.graph is model.graph
    groups = {name for name in model.graph.initializers if name.endswith(".codebook")}
    assert groups == {"w.codebook", "v.codebook"}


def test_onnxruntime_folds_the_bodies_inside_inner_graphs(tmp_path):
    onnx.save(compressed("sparse"), tmp_path / "small.onnx")
    made = options(GraphOptimizationLevel.ORT_ENABLE_BASIC)
    made.optimized_model_filepath = str(tmp_path / "optimized.onnx")
    open_file(tmp_path / "small.onnx", made)
    assert {"If", "Loop"} < {*operators(ir.load(tmp_path / "optimized.onnx"))} <= PLAIN


def profiled(session: onnxruntime.InferenceSession) -> set[str]:
    """The operators of the kernels that ran."""
    for feeds in FEEDS:
        session.run(None, feeds)
    events = json.loads(Path(session.end_profiling()).read_text(encoding="utf-8"))
    return {event["args"]["op_name"] for event in events if event["name"].endswith("_kernel_time")}


@pytest.mark.parametrize(
    ("way", "execution", "level"),
    [
        *((way, execution, OFF) for way in ("session", "expanded") for execution in ("sparse", "dense")),
        ("library", "sparse", OFF),
        ("library", "dense", ON),
    ],
)
def test_no_run_decodes_a_weight(way, execution, level, tmp_path):
    model = compressed(execution)
    onnx.save(onnxdc.expand(model).to_proto() if way == "expanded" else model, tmp_path / "small.onnx")
    made = options(level, library=way != "session")
    made.enable_profiling, made.profile_file_prefix = True, str(tmp_path / "profile")
    ran = profiled(OPENED["session" if way == "session" else "library"](tmp_path / "small.onnx", made))
    assert ran <= PLAIN | NATIVE
    assert bool(ran & NATIVE) == (execution == "sparse")


def test_decoding_gives_the_same_model_back():
    assert ir.to_proto(merged_decoder()) == onnxdc.decode(compressed("sparse")).to_proto()
    assert ir.to_proto(merged_decoder()) == onnxdc.decode(compressed("dense")).to_proto()


def test_inspect_tells_of_each_weight_once():
    report = onnxdc.inspect(compressed("sparse"))
    rows = {row.name: row.execution for row in report.rows if row.encoded_bytes is not None}
    assert rows == {"w": "sparse", "v": "sparse"}


def test_expand_leaves_what_runs_sparse_and_its_symbols():
    model = compressed("sparse")
    expanded = onnxdc.expand(model).to_proto()
    assert operators(ir.from_proto(expanded)) == operators(ir.from_proto(model))
