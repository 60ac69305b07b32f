"""Whole models, compressed, by the npm package and without it, in onnxruntime-web and onnxruntime-node."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

import onnxdc
from tests.helpers.int8_pairs import PAIRS, ROWS, input_of, save_pair
from tests.helpers.small_models import EXAMPLES

pytestmark = [pytest.mark.xdist_group("web"), pytest.mark.slow]

FLOATS = ("lenet_300_100", "digits_cnn")


@pytest.fixture(scope="module", params=[*FLOATS, *PAIRS])
def files(request, tmp_path_factory) -> dict[str, Path]:
    """A compressed model, the plain one that it is the same as, and what both are fed."""
    folder = tmp_path_factory.mktemp("models")
    if request.param in PAIRS:
        save_pair(request.param, folder)
    else:
        onnxdc.prune(EXAMPLES / f"{request.param}.onnx", density=0.3).save(folder / "pruned.onnx")
        onnxdc.share(folder / "pruned.onnx", bits=6).save(folder / "plain.onnx")
        onnxdc.encode(folder / "plain.onnx").save(folder / "small.onnx")
    (folder / "input").write_bytes(input_of(folder / "plain.onnx").tobytes())
    return {name: folder / name for name in ("small.onnx", "plain.onnx", "input")}


@pytest.mark.parametrize("runtime", ["onnxruntime-web", "onnxruntime-node"])
def test_model_gives_the_outputs_of_the_plain_one_bit_for_bit(files, package, runtime, node, request):
    folder = request.getfixturevalue("web" if runtime == "onnxruntime-web" else "native_node")
    paths = [str(path) for path in files.values()]
    command = [node, "run_package.mjs", package, runtime, *paths, str(ROWS)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    size = files["small.onnx"].stat().st_size
    assert json.loads(done.stdout) == {"isEqual": [True, True], "loaded": size, "total": size, "size": size}
