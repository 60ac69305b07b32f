"""The examples do what they say."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime
import pytest
from click.testing import CliRunner
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace

from onnxdc.numeric.grids import grid_of_values
from tests.helpers.small_models import EXAMPLES, constants
from tests.helpers.text_models import build, normal


@pytest.fixture
def examples(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.syspath_prepend(EXAMPLES)
    yield
    for name in ("classify", "demo", "finetune_jax", "search", "train"):
        sys.modules.pop(name, None)


@pytest.mark.usefixtures("examples")
def test_the_demo_shows_both_models(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    example = importlib.import_module("demo")
    monkeypatch.setattr(example, "TIMED_RUNS", 2)
    example.main()
    lines = capsys.readouterr().out.splitlines()
    for name in ("lenet_300_100", "digits_cnn"):
        assert lines.count(name) == 1
    assert lines.count("decode gives the shared model back, bit for bit: yes") == 2
    right = [line for line in lines if line.endswith(" of the digits are right")]
    stages = ["original", "pruned", "shared", "small, native", "small, portable"]
    assert [line.partition(":")[0] for line in right] == stages * 2
    assert all(float(line.split()[-6].rstrip("%")) > 90 for line in right)


@pytest.mark.usefixtures("examples")
def test_a_classifier_keeps_its_accuracy(tmp_path: Path) -> None:
    output = tmp_path / "small.onnx"
    ran = CliRunner().invoke(importlib.import_module("classify").main, ["-o", str(output)])
    assert ran.exit_code == 0, ran.output
    with np.load(EXAMPLES / "digits_test.npz") as test:
        digits, labels = test["input"][1::2], test["labels"][1::2]
    answers = onnxruntime.InferenceSession(output).run(None, {"input": digits})[0].argmax(axis=1)

    assert f"{output.stat().st_size:,}, " in ran.output
    assert f", {np.mean(answers == labels):.2%} after" in ran.output
    assert np.mean(answers == labels) > 0.95
    assert output.stat().st_size * 15 < (EXAMPLES / "digits_cnn.onnx").stat().st_size


@pytest.mark.usefixtures("examples")
def test_a_search_finds_the_texts_with_the_words_of_the_query(tmp_path: Path) -> None:
    words = ["[UNK]", *(f"word{number}" for number in range(400))]
    tokenizer = Tokenizer(WordLevel({word: number for number, word in enumerate(words)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    texts = [" ".join(f"word{(7 * text + place) % 400}" for place in range(6)) for text in range(50)]
    (tmp_path / "texts.txt").write_text("\n".join(texts), encoding="utf-8")
    text = """g (int64[N, T] input_ids, int64[N, T] attention_mask) => (float[N, T, 64] y) {
        x = Gather (table, input_ids)
        m = MatMul (x, w)
        n = Unsqueeze <axes = [2]> (attention_mask)
        c = Cast <to = 1> (n)
        y = Mul (m, c)
    }"""
    model = build(text, opset=12, table=normal(401, 64), w=normal(64, 64, seed=1))
    onnx.save(ir.to_proto(model), tmp_path / "encoder.onnx")
    small = tmp_path / "small.onnx"
    arguments = [
        *(str(tmp_path / name) for name in ("encoder.onnx", "tokenizer.json", "texts.txt")),
        texts[7],
        texts[30],
    ]
    ran = CliRunner().invoke(
        importlib.import_module("search").main, [*arguments, "--target-size", "5x", "-o", str(small)]
    )
    assert ran.exit_code == 0, ran.output

    lines = ran.output.splitlines()
    for query in (texts[7], texts[30]):
        best = lines[next(number for number, line in enumerate(lines) if line.startswith(f"{query}:")) + 1]
        assert best.split(maxsplit=1)[1] == query
    assert small.stat().st_size * 5 <= (tmp_path / "encoder.onnx").stat().st_size


@pytest.mark.usefixtures("examples")
@pytest.mark.parametrize("network", ["lenet_300_100", "digits_cnn"])
def test_a_network_that_learns_is_the_model_that_is_written(tmp_path: Path, network: str) -> None:
    example = importlib.import_module("train")
    rng = np.random.default_rng(0)
    layers = getattr(example, network)(rng)
    (images, labels), (digits, _) = example.split_images()
    x = digits[:8]

    def logits() -> np.ndarray:
        y = x
        for layer in layers:
            y = layer.forward(y)
        return y

    before = logits()
    example.train(layers, images[:64], labels[:64], 1, rng)
    assert not np.array_equal(logits(), before)
    onnx.save(example.export(layers, network), tmp_path / "network.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "network.onnx", providers=["CPUExecutionProvider"])
    np.testing.assert_allclose(session.run(None, {"input": x})[0], logits(), rtol=1e-4, atol=1e-5)


@pytest.mark.slow
@pytest.mark.usefixtures("examples")
def test_jax_keeps_its_files_in_a_folder_that_it_makes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    example = importlib.import_module("finetune_jax")
    monkeypatch.setattr(example, "train_again", lambda model, *_: sys.exit(f"trains {model}"))
    pruned = tmp_path / "runs" / "first" / "pruned.onnx"
    with pytest.raises(SystemExit, match=r"pruned\.onnx"):
        example.main(pruned.parent)
    assert pruned.is_file()


@pytest.mark.slow
@pytest.mark.usefixtures("examples")
def test_jax_trains_through_a_hook(tmp_path: Path) -> None:
    example = importlib.import_module("finetune_jax")
    example.main(tmp_path, epochs=3)
    stages = ("pruned", "pruned_and_trained", "shared", "shared_and_trained")
    found = {stage: constants(ir.load(tmp_path / f"{stage}.onnx")) for stage in stages}
    for name in ("fc1.weight", "fc2.weight", "fc3.weight"):
        pruned, trained, shared, tuned = (found[stage][name] for stage in stages)
        np.testing.assert_array_equal(trained[pruned == 0], 0)
        assert not np.array_equal(trained, pruned)
        assert not np.array_equal(tuned, shared)
        for value in np.unique(shared):
            assert np.unique(tuned[shared == value]).size == 1
    assert example.right(tmp_path / "pruned_and_trained.onnx") > example.right(tmp_path / "pruned.onnx") + 0.1
    assert example.right(tmp_path / "small.onnx") == example.right(tmp_path / "shared_and_trained.onnx")
    for array in constants(ir.load(tmp_path / "on_grids.onnx")).values():
        if array.ndim > 1:
            step, integers = grid_of_values(np.unique(array))
            assert 1 < integers.size <= 255
            assert np.mean(array == 0) > 0.5  # which the price of bits makes
            assert step > 0
    assert example.right(tmp_path / "small_by_grids.onnx") == example.right(tmp_path / "on_grids.onnx") > 0.9
