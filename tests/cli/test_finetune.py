"""The command that trains: what it prints and writes, and one line for a model or options that will not do."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import numpy as np
import onnx
import pytest

import onnxdc as library
from onnxdc import model_io
from tests.helpers.small_models import constants, dense, onnxdc, saved
from tests.helpers.text_models import build, normal
from tests.helpers.training_models import (
    GOOD,
    error,
    error_of_usage,
    finetune,
    nothing_is_left,
    saved_items,
)


def test_a_line_an_epoch_and_a_report(model, data):
    result = finetune(model, data, "--val", data, "--density", "0.25")
    assert result.exit_code == 0
    lines = result.stderr.splitlines()
    assert [line.split("  ")[0] for line in lines] == ["epoch 1/2", "epoch 2/2"]
    number = r"[0-9.]+"
    assert re.fullmatch(
        rf"epoch 2/2  loss {number} accuracy {number}%  val loss {number} val accuracy {number}%  "
        rf"density 25.00%  {number} s",
        lines[1],
    )
    assert result.stdout.splitlines()[:4] == [
        "weight  elements  density before   after",
        "fc1          512         100.00%  25.00%",
        "fc2          256         100.00%  25.00%",
        "total        768         100.00%  25.00%",
    ]
    assert np.count_nonzero(constants(model_io.load(model.with_name("tuned.onnx")))["fc1"]) == 128
    onnx.checker.check_model(model.with_name("tuned.onnx"))
    assert not model.with_name("tuned.onnx.checkpoint").exists()


def test_grids_tell_the_bytes_of_the_file_that_encode_writes(model, data):
    result = finetune(model, data, "--grid", "--rate", "1e-4")
    assert result.exit_code == 0, result.stderr
    small = model.with_name("small.onnx")
    assert onnxdc("encode", model.with_name("tuned.onnx"), "-o", small).exit_code == 0
    size = f"{small.stat().st_size:,} bytes"
    assert result.stdout.splitlines()[-1] == f"encoded: {size}"
    assert f"  {size}  " in result.stderr.splitlines()[-1]


def test_grids_without_a_price_are_refused(model, data):
    said = error_of_usage(finetune(model, data, "--grid"))
    assert said == "--grid: expected --rate, --target-size or --max-drop, got neither"


def test_the_report_as_json(model, data):
    result = finetune(model, data, "--val-share", "0.25", "--json", "--quiet")
    assert result.stderr == ""
    found = json.loads(result.stdout)
    assert [weight["name"] for weight in found["weights"]] == ["fc1", "fc2"]
    assert found["measured_on"] == "validation"
    assert len(found["epochs"]) == 2
    assert 0 <= found["after"]["accuracy"] <= 1


def test_the_command_writes_what_the_library_gives(model, data):
    assert finetune(model, data, "--lr", "0.01", "--optimizer", "sgd", "--shift", "0", "-q").exit_code == 0
    expected = library.finetune(model, GOOD, epochs=2, threads=1, lr=0.01, optimizer="sgd")
    expected.save(model.with_name("expected.onnx"))
    assert model.with_name("tuned.onnx").read_bytes() == model.with_name("expected.onnx").read_bytes()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--epochs", "0"], "Invalid value for '--epochs': expected an integer of 1 or more, got 0"),
        (["--lr", "-0.1"], "Invalid value for '--lr': expected a number above 0, at most 1e+30, got -0.1"),
        (["--batch", "0"], "Invalid value for '--batch': expected an integer from 1 to 2147483647, got 0"),
        (["--loss", "hinge"], "Invalid value for '--loss': 'hinge' is not one of 'cross_entropy', 'bce', 'mse', 'l1'."),
        (["--patience", "3"], "--patience: expected validation data to measure progress on, got none"),
        (["--temperature", "0"], "Invalid value for '--temperature': expected a number above 0, at most 1e+06, got 0"),
    ],
)
def test_wrong_usage(options, message, model, data):
    assert error_of_usage(finetune(model, data, *options)) == message
    assert nothing_is_left(model)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--shift", "1"], "--shift: expected a model with images [N, C, H, W], {model} has no such input"),
        (["--temperature", "4.0"], "--temperature needs --teacher"),
        (["--regrow"], "--regrow: expected a density, or weights that are pruned already, {model} has none"),
        (
            ["--val", "{data}", "--val-share", "0.5"],
            "--val-share: expected no other validation data next to it, got some",
        ),
    ],
)
def test_an_option_that_would_do_nothing_is_wrong_usage(options, message, model, data):
    arguments = [option.format(data=data) for option in options]
    assert error_of_usage(finetune(model, data, *arguments)) == message.format(model=model)


def test_dropout_for_no_layer_is_wrong_usage(data, tmp_path):
    single = build("g (float[N, 16] x) => (float[N, 8] y) { y = MatMul(x, w) }", w=normal(16, 8))
    found = error_of_usage(finetune(saved(single, tmp_path / "m.onnx"), data, "--dropout", "0.5"))
    assert found == "--dropout: expected a fully connected layer after another one and no Dropout, got none"


def test_a_density_out_of_range(model, data):
    told = error_of_usage(finetune(model, data, "--density", "2"))
    assert told == "Invalid value for '--density': expected a number from 0 to 1, got 2"


def test_a_quality_that_gives_no_threshold_names_the_weight(data, tmp_path):
    large = build("g (float[N, 16] x) => (float[N, 8] y) { y = MatMul(x, w) }", w=100 * normal(16, 8))
    found = error(finetune(saved(large, tmp_path / "m.onnx"), data, "--quality", "1e308", "--min-elements", "1"))
    assert found == "w: the threshold of quality 1e+308 is not finite"


def test_a_shared_weight_cannot_be_pruned(model, data):
    shared = model.with_name("shared.onnx")
    library.share(model, bits=3).save(shared)
    found = error(finetune(shared, data, "--density", "0.1"))
    assert found == "fc1: shared already, expected a weight that is not, to prune it"


def test_a_compressed_model_is_to_be_decoded_first(model, data):
    small = model.with_name("small.onnx")
    library.compress(dense(), bits=4).save(small)
    found = error(finetune(small, data))
    assert found == f"{small}: compressed, expected a model that is decoded (onnxdc decode)"


def test_nothing_to_train(tmp_path):
    model = saved(build("g (float[N, 16] x) => (float[N, 16] y) { y = Relu(x) }"), tmp_path / "m.onnx")
    data = saved_items(tmp_path / "data.npz", **GOOD)
    assert error(finetune(model, data)) == "nothing to train: the model has no weight and no bias"


def test_operators_without_a_form_in_torch(tmp_path):
    graph = "g (float[N, 16] x) => (float[N, 8] y) { h = MatMul(x, w) y = local.Odd(h) }"
    model = saved(build(graph, w=normal(16, 8)), tmp_path / "m.onnx")
    data = saved_items(tmp_path / "data.npz", **GOOD)
    assert error(finetune(model, data)).startswith(f"{model}: no PyTorch form of local.Odd; covered are Abs, ")


def test_a_teacher_of_other_inputs_or_outputs(model, data, tmp_path):
    inputs = build("g (float[N, 16] z) => (float[N, 8] y) { y = MatMul(z, w) }", w=normal(16, 8))
    teacher = saved(inputs, tmp_path / "inputs.onnx")
    found = error(finetune(model, data, "--teacher", teacher))
    assert found == f"{teacher}: expected a teacher with inputs x float32, got z float32"
    outputs = build("g (float[N, 16] x) => (float[N, 5] y) { y = MatMul(x, w) }", w=normal(16, 5))
    teacher = saved(outputs, tmp_path / "outputs.onnx")
    found = error(finetune(model, data, "--teacher", teacher))
    assert found == f"{teacher}: expected a teacher with an output of [8] an item, got [5]"


def test_without_torch_it_says_what_to_install(model, data):
    hidden = "import sys; sys.modules['torch'] = None; from onnxdc.cli import main; main()"
    command = [sys.executable, "-c", hidden, "finetune", str(model), "--data", str(data), "-o", "tuned.onnx"]
    result = subprocess.run(command, capture_output=True, text=True, cwd=model.parent, check=False)
    assert result.returncode == 1
    assert result.stderr == "onnxdc: error: PyTorch is not installed: pip install 'onnxdc[torch]'\n"


@pytest.mark.parametrize("option", [None, "--data", "--val", "--teacher"])
def test_the_output_may_not_be_an_input(option, model, data):
    given = {"--data": data, "--val": data.with_name("val.npz"), "--teacher": model.with_name("teacher.onnx")}
    saved_items(given["--val"], **GOOD)
    given["--teacher"].write_bytes(model.read_bytes())
    output = given[option] if option else model
    before = output.read_bytes()
    arguments = [argument for pair in given.items() for argument in pair]
    result = onnxdc("finetune", model, *arguments, "--epochs", 1, "-o", output)
    assert error(result) == f"{output}: the output would overwrite {output}, which it is made from"
    assert output.read_bytes() == before


def test_the_command_line_starts_without_torch():
    script = "import sys; from onnxdc.cli import cli; assert 'torch' not in sys.modules; cli(['--version'])"
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert library.__version__ in result.stdout


@pytest.mark.parametrize("command", ["finetune", "prune", "share", "compress"])
def test_the_recipe_is_never_overwritten(model, data, tmp_path, command):
    recipe = tmp_path / "recipe.toml"
    recipe.write_text("[defaults]\nbits = 4\n")
    before = recipe.read_bytes()
    given = ("--data", data) if command == "finetune" else ()
    result = onnxdc(command, model, *given, "--recipe", recipe, "-o", recipe)
    assert error(result) == f"{recipe}: the output would overwrite {recipe}, which it is made from"
    assert recipe.read_bytes() == before
