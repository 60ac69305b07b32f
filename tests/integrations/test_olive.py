"""The pass of Olive, run by Olive; what is said where Olive is not installed."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

import onnxdc
from tests.helpers.small_models import DIGITS, LENET

pytestmark = pytest.mark.filterwarnings("ignore")  # of Olive and what it imports


@pytest.fixture
def olive(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("OLIVE_DISABLE_TELEMETRY", "1")
    pytest.importorskip("olive.workflows")
    return importlib.import_module("onnxdc.integrations.olive")


def workflow(folder: Path, *passes: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "input_model": {"type": "ONNXModel", "model_path": str(LENET)},
        "passes": {f"pass{number}": given for number, given in enumerate(passes)},
        "output_dir": str(folder / "out"),
        "cache_dir": str(folder / "cache"),
        **more,
    }


def written(folder: Path) -> Path:
    (path,) = (folder / "out").rglob("*.onnx")
    return path


def test_a_workflow_compresses_as_the_library_does(olive, tmp_path):
    run = importlib.import_module("olive.workflows").run
    compression = {"type": "DeepCompression", "density": 0.1, "sharing": "kmeans", "bits": 5}
    run(workflow(tmp_path, compression), package_config=olive.package_config())
    expected = onnxdc.compress(LENET, density=0.1, sharing="kmeans", bits=5).to_proto()
    assert onnx.load(written(tmp_path)) == expected


def test_a_workflow_gives_inputs_and_a_size(olive, tmp_path):
    run = importlib.import_module("olive.workflows").run
    script = tmp_path / "digits.py"
    script.write_text(f"""
import numpy as np
from olive.data.registry import Registry


class Digits:
    def __init__(self):
        with np.load({str(DIGITS)!r}) as digits:
            self.images = digits["input"]

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index):
        return {{"input": self.images[index]}}, 0


@Registry.register_dataset()
def digits(data_dir=None, **kwargs):
    return Digits()
""")
    data = {
        "name": "digits",
        "user_script": str(script),
        "load_dataset_config": {"type": "digits"},
        "pre_process_data_config": {"type": "skip_pre_process"},
        "post_process_data_config": {"type": "skip_post_process"},
        "dataloader_config": {"batch_size": 64},
    }
    compression = {"type": "DeepCompression", "data_config": "digits", "target_size": "25x"}
    run(workflow(tmp_path, compression, data_configs=[data]), package_config=olive.package_config())
    assert written(tmp_path).stat().st_size <= LENET.stat().st_size / 25
    with np.load(DIGITS) as digits:
        found = onnxdc.verify(LENET, written(tmp_path), {"input": digits["input"]}, labels=digits["labels"])
    assert found.accuracies[-1].top1 > found.accuracies[0].top1 - 0.02


def test_the_command_line_prints_the_package_config_with_the_passes_of_olive(olive, tmp_path):
    program = [sys.executable, "-m", "onnxdc.integrations.olive"]
    printed = json.loads(subprocess.run(program, capture_output=True, text=True, check=True).stdout)
    assert printed == olive.package_config()
    assert {"DeepCompression", "OnnxPeepholeOptimizer"} <= printed["passes"].keys()


def test_without_olive_the_extra_is_named():
    program = "import sys; sys.modules['olive'] = None; import onnxdc.integrations.olive"
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert found.returncode == 1
    assert "MissingExtraError: Olive cannot be imported: pip install 'onnxdc[olive]' (" in found.stderr
