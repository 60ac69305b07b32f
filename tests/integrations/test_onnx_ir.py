"""The pass of onnx_ir, run as that library runs its own."""

from __future__ import annotations

import logging

import numpy as np
import onnx_ir as ir
import onnx_ir.passes.common
import onnxruntime
import pytest

import onnxdc
from onnxdc.integrations.onnx_ir import CompressPass
from tests.helpers.small_models import LENET, dense
from tests.helpers.text_models import normal


def outputs(model: ir.Model) -> np.ndarray:
    session = onnxruntime.InferenceSession(ir.to_proto(model).SerializeToString())
    return session.run(None, {"x": normal(5, 40)})[0]


def test_the_pass_does_what_compress_does_and_leaves_its_input():
    model = dense()
    before = ir.to_proto(model)
    result = CompressPass(density=0.1, sharing="kmeans")(model)
    assert result.modified
    assert ir.to_proto(model) == before
    assert ir.to_proto(result.model) == onnxdc.compress(model, density=0.1, sharing="kmeans").to_proto()


def test_a_recipe_says_what_to_do_to_which_weight():
    recipe = onnxdc.Recipe(rules=(onnxdc.Rule(pattern="fc2", skip=True),))
    small = CompressPass(recipe)(dense()).model
    assert "fc2" in small.graph.initializers
    assert "fc1" not in small.graph.initializers


def test_a_pass_manager_runs_it_among_others_until_nothing_changes():
    manager = ir.passes.PassManager(
        [
            ir.passes.common.DeduplicateInitializersPass(),
            CompressPass(density=0.1),
            ir.passes.common.RemoveUnusedNodesPass(),
        ],
        steps=3,
    )
    result = manager(dense())
    assert all(row.encoded_bytes is not None for row in onnxdc.inspect(result.model).rows)
    np.testing.assert_allclose(outputs(result.model), outputs(onnxdc.decode(result.model).model), rtol=1e-5, atol=1e-5)


def test_a_model_of_a_file_is_compressed_without_reading_it_whole(tmp_path):
    ir.save(ir.load(LENET), tmp_path / "model.onnx", external_data="model.data")
    ir.save(CompressPass()(ir.load(tmp_path / "model.onnx")).model, tmp_path / "small.onnx")
    assert onnxdc.verify(LENET, tmp_path / "small.onnx").verdict == "ok"


def test_what_was_done_is_in_the_log(caplog: pytest.LogCaptureFixture):
    with caplog.at_level(logging.INFO, "onnxdc"):
        CompressPass(density=0.01)(dense())
    assert "fc1" in caplog.text
    assert "warning: " in caplog.text


def test_what_cannot_be_compressed_is_named():
    with pytest.raises(onnxdc.ModelError, match="no weight to compress"):
        CompressPass(min_elements=9999)(dense())
    with pytest.raises(ir.passes.PassError) as caught:
        ir.passes.Sequential(CompressPass(min_elements=9999))(dense())
    assert isinstance(caught.value.__cause__, onnxdc.ModelError)
