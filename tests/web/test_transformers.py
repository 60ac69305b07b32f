"""A compressed model in transformers.js, which gets it from its cache."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import numpy as np
import onnx
import pytest

import onnxdc

pytestmark = [pytest.mark.xdist_group("web"), pytest.mark.slow]

MODEL = """
<ir_version: 8, opset_import: ["" : 17]>
g (int64[N, T] input_ids) => (float[N, T, 48] last_hidden_state) {
    rows = Gather(table, input_ids)
    last_hidden_state = MatMul(rows, weight)
}
"""
SHAPES = {"table": (300, 32), "weight": (32, 48)}


@pytest.fixture
def models(tmp_path) -> Path:
    """A folder of models for transformers.js; the compressed file is next to it."""
    rng = np.random.default_rng(0)
    model = onnx.parser.parse_model(MODEL)
    for name, shape in SHAPES.items():
        weight = rng.integers(-9, 10, shape).astype(np.float32) / 8
        model.graph.initializer.append(onnx.numpy_helper.from_array(weight, name))
    folder = tmp_path / "models"
    for name in ("plain", "small"):
        (folder / name).mkdir(parents=True)
        (folder / name / "config.json").write_text(json.dumps({"model_type": "bert"}))
    (folder / "plain" / "onnx").mkdir()
    onnx.save(model, folder / "plain" / "onnx" / "model.onnx")
    onnxdc.encode(model).save(tmp_path / "small.onnx")
    return folder


def test_model_gives_the_outputs_of_the_plain_one_bit_for_bit(models, package, node, native_node):
    command = [node, "run_transformers.mjs", package, str(models), str(models.with_name("small.onnx"))]
    done = subprocess.run(command, cwd=native_node, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"isEqual": True, "values": 2 * 3 * 48, "external": len(SHAPES)}
