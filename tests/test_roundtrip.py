"""Each way in which a model can use a weight: encoded, it computes the same, and decoding gives the same model back."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from onnxdc.model_io import load, save
from onnxdc.passes.decode import decode
from onnxdc.passes.encode import encode
from onnxdc.recipe import Options, Recipe
from tests.few_values import CASES, Case, run

each_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


def encoded(case: Case, execution: str = "sparse") -> ir.Model:
    recipe = Recipe(min_elements=16, defaults=Options(execution=execution))
    result = encode(case.make(), recipe, force=True)
    assert result.changes, result.skips
    return result.model


@each_case
def test_every_weight_becomes_what_can_execute_it(case: Case):
    model = encoded(case)
    nodes = [node for graph in model.graphs() for node in graph if node.domain == "onnxdc"]
    dense = [node for node in nodes if node.op_type == "DecodeWeight"]
    assert len(dense) == case.dense
    assert len(nodes) - len(dense) == case.sparse


@each_case
@pytest.mark.parametrize("execution", ["sparse", "dense"])
@pytest.mark.parametrize("native", [True, False], ids=["native", "portable"])
def test_encoded_model_computes_the_same(case: Case, execution: str, native: bool):
    model = encoded(case, execution)
    for expected, found in zip(run(case.make(), case.feeds), run(model, case.feeds, native=native), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5 * np.abs(expected).max(initial=1e-30))


@each_case
@pytest.mark.parametrize("execution", ["sparse", "dense", "auto"])
def test_decoding_gives_the_same_model_back(case: Case, execution: str):
    original = ir.to_proto(case.make())
    decoded = decode(encoded(case, execution)).model
    assert ir.to_proto(decoded) == original


@each_case
def test_decoding_gives_the_same_file_back(case: Case, tmp_path):
    save(case.make(), tmp_path / "original.onnx")
    model = encode(load(tmp_path / "original.onnx"), Recipe(min_elements=16), force=True).model
    save(model, tmp_path / "encoded.onnx")
    save(decode(load(tmp_path / "encoded.onnx")).model, tmp_path / "decoded.onnx")
    assert (tmp_path / "decoded.onnx").read_bytes() == (tmp_path / "original.onnx").read_bytes()
