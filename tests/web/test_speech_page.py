"""The page of examples/speech in Chromium, with the models that examples/speech.py makes."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import onnxruntime
import pytest
from click.testing import CliRunner
from scipy.io import wavfile

from tests.helpers.small_models import EXAMPLES
from tests.web.pages import copied, shown

pytestmark = [pytest.mark.xdist_group("web"), pytest.mark.slow]


@pytest.fixture(scope="module")
def example() -> Iterator[ModuleType]:
    sys.path.insert(0, str(EXAMPLES))
    yield importlib.import_module("speech")
    sys.path.remove(str(EXAMPLES))
    for name in ("speech", "train"):
        sys.modules.pop(name, None)


@pytest.fixture(scope="module")
def made(example: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with both models and the sample."""
    folder = tmp_path_factory.mktemp("speech")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(example, "EPOCHS", 6)
        patch.setattr(example, "TURNS", 320)
        ran = CliRunner().invoke(example.main, [str(folder)])
    assert ran.exit_code == 0, ran.output
    return folder


def heard(example: ModuleType, made: Path, model: str) -> np.ndarray:
    """The probability of speech in each chunk of the sample, as onnxruntime says."""
    _, samples = wavfile.read(made / "sample.wav")
    chunks = example.chunks(samples.astype(np.float32) / 32768)
    return onnxruntime.InferenceSession(made / model).run(None, {"audio": chunks})[0][:, 1]


def test_the_network_that_learns_is_the_model_that_is_written(example: ModuleType) -> None:
    rng = np.random.default_rng(0)
    layers = example.network(rng)
    audio, _ = example.examples(rng, 8)
    logits = example.features(audio)
    for layer in layers:
        logits = layer.forward(logits)
    expected = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    session = onnxruntime.InferenceSession(example.export(layers).SerializeToString())
    np.testing.assert_allclose(session.run(None, {"audio": audio})[0], expected, rtol=1e-3, atol=1e-5)


def test_both_models_tell_speech_from_other_sounds(example: ModuleType, made: Path) -> None:
    truth = example.chunks(example.sample()[1]).mean(1) > 0.5
    for name in ("plain.onnx", "small.onnx"):
        assert np.mean((heard(example, made, name) > 0.5) == truth) > 0.9
    assert (made / "small.onnx").stat().st_size * 8 < (made / "plain.onnx").stat().st_size


def test_the_page_shows_where_speech_is(
    example: ModuleType, made: Path, browser: str, node: str, tmp_path: Path
) -> None:
    page = copied("speech", tmp_path / "site")
    for name in ("small.onnx", "sample.wav"):
        (page / name).write_bytes((made / name).read_bytes())

    report = shown(browser, page, tmp_path / "profile")

    assert report["status"] == "done"
    segments = example.segments(heard(example, made, "small.onnx"))
    assert len(segments) >= 3
    assert [cells[:2] for cells in report["cells"]] == [[f"{time:.3f}" for time in segment] for segment in segments]
    assert all(0.5 < float(cells[2]) <= 1 for cells in report["cells"])
