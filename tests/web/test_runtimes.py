"""Whole models, compressed, fetched and unpacked by the npm package, in onnxruntime-web and onnxruntime-node."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import numpy as np
import onnx
import pytest

import onnxdc
from tests.helpers.small_models import EXAMPLES

pytestmark = pytest.mark.xdist_group("web")

ROWS = 8


@pytest.fixture(scope="module", params=["lenet_300_100", "digits_cnn"])
def files(request, tmp_path_factory) -> dict[str, Path]:
    """A compressed model, the plain one that it is the same as, and what both are fed."""
    folder = tmp_path_factory.mktemp("models")
    onnxdc.prune(EXAMPLES / f"{request.param}.onnx", density=0.3).save(folder / "pruned.onnx")
    onnxdc.share(folder / "pruned.onnx", bits=6).save(folder / "plain.onnx")
    onnxdc.encode(folder / "plain.onnx").save(folder / "small.onnx")
    shape = [dim.dim_value for dim in onnx.load(folder / "plain.onnx").graph.input[0].type.tensor_type.shape.dim]
    values = np.random.default_rng(0).random([ROWS, *shape[1:]], np.float32)
    (folder / "input").write_bytes(values.tobytes())
    return {name: folder / name for name in ("small.onnx", "plain.onnx", "input")}


@pytest.mark.parametrize("runtime", ["onnxruntime-web", "onnxruntime-node"])
def test_model_gives_the_outputs_of_the_plain_one_bit_for_bit(files, package, runtime, node, request):
    folder = request.getfixturevalue("web" if runtime == "onnxruntime-web" else "native_node")
    paths = [str(path) for path in files.values()]
    command = [node, "run_package.mjs", package, runtime, *paths, str(ROWS)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    size = files["small.onnx"].stat().st_size
    assert json.loads(done.stdout) == {"isEqual": True, "loaded": size, "total": size, "size": size}
