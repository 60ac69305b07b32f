"""Warnings of what pruning and sharing took: right sums, the right limits, one line, and no warning of what is safe."""

from __future__ import annotations

import re
from fractions import Fraction
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest

import onnxdc
from onnxdc import Recipe, Rule
from onnxdc.numeric import energy
from onnxdc.numeric.energy import energy_lost
from onnxdc.report.losses import ENERGY_LIMITS
from tests.helpers.small_models import CNN, LENET, dense, report_of, saved
from tests.helpers.small_models import onnxdc as command
from tests.helpers.text_models import build, normal

README = Path(__file__).parents[2] / "README.md"


def exact(before: np.ndarray, after: np.ndarray) -> float:
    """The energy lost, in rational numbers."""
    a = [Fraction(float(value)) for value in before.reshape(-1)]
    b = [Fraction(float(value)) for value in after.reshape(-1)]
    return float(sum((x - y) ** 2 for x, y in zip(a, b, strict=True)) / sum(x * x for x in a))


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16, np.float32, np.float64])
@pytest.mark.parametrize("scale", [1e-4, 1.0, 1e3])
def test_the_energy_lost_is_that_of_rational_numbers(dtype, scale, monkeypatch):
    monkeypatch.setattr(energy, "CACHED", 100)
    before = (scale * normal(17, 19)).astype(dtype)
    after = (before * (np.abs(before) > scale)).astype(dtype)
    assert energy_lost(before, after) == pytest.approx(exact(before, after), rel=1e-12)


@pytest.mark.parametrize("scale", [1e-310, 1e-200, 1e200, 1e308])
def test_squares_beyond_float64_are_no_obstacle(scale):
    assert energy_lost(scale * np.array([0.6, 0.8]), scale * np.array([0.0, 0.8])) == pytest.approx(0.36, rel=1e-6)


def test_a_weight_without_energy_loses_none():
    assert energy_lost(np.zeros(5), np.zeros(5)) == energy_lost(np.zeros(0), np.zeros(0)) == 0.0


def test_pruning_beyond_the_limit_is_one_warning_that_names_the_worst_weight_and_what_to_do():
    report = onnxdc.prune(dense(), Recipe(rules=(Rule(pattern="fc2", density=0.05),)), density=0.2).report
    (warning,) = report.warnings
    lost = {loss.name: loss.energy_lost for loss in report.losses}
    assert list(lost) == ["fc1", "fc2"]
    assert lost["fc2"] > lost["fc1"] > ENERGY_LIMITS["prune"]
    assert f"pruning took more than 3 % of the energy of 2 weights, most of fc2, {100 * lost['fc2']:.0f} %" in warning
    assert "`onnxdc verify`" in warning
    assert "`onnxdc finetune`" in warning
    assert [line for line in report.notes() if line.startswith("warning: ")] == [f"warning: {warning}"]
    assert str(report).splitlines()[-1] == f"warning: {warning}"


def test_what_was_lost_is_told_of_every_weight_in_json():
    model = dense()
    weight = model.graph.initializers["fc1"].const_value.numpy()
    pruned = onnxdc.prune(model, density=0.3)
    found = pruned.report.to_dict()["warnings"]
    assert [(each["name"], each["node"], each["stage"], each["limit"]) for each in found] == [
        ("fc1", "Gemm h", "prune", 0.03),
        ("fc2", "MatMul y", "prune", 0.03),
    ]
    after = pruned.model.graph.initializers["fc1"].const_value.numpy()
    assert found[0]["energy_lost"] == pytest.approx(exact(weight, after), rel=1e-9)


@pytest.mark.parametrize(("bits", "warns"), [(8, False), (6, False), (4, True), (2, True)])
def test_sharing_warns_where_models_lose_accuracy(bits, warns):
    for report in (onnxdc.share(dense(), bits=bits).report, onnxdc.compress(dense(), bits=bits).report):
        assert bool(report.warnings) == warns
        assert all("sharing took more than 1 % of the energy of 2 weights" in line for line in report.warnings)


def test_compress_tells_what_both_stages_took_in_one_line():
    report = onnxdc.compress(dense(), density=0.1, bits=2).report
    (warning,) = report.warnings
    assert re.match(r"pruning took .* and sharing took .*; such models ", warning)
    assert [loss.stage for loss in report.losses] == ["prune", "prune", "share", "share"]


def test_one_weight_is_not_counted():
    rules = (Rule(pattern="fc2", density=0.1), Rule(pattern="fc1", density=0.95))
    (warning,) = onnxdc.prune(dense(), Recipe(rules=rules)).report.warnings
    assert re.match(r"pruning took \d\d % of the energy of fc2; ", warning)


def test_what_was_pruned_before_is_not_lost_again():
    pruned = onnxdc.prune(dense(), density=0.1)
    assert pruned.report.warnings
    assert not onnxdc.prune(pruned.model, density=0.1).report.warnings
    assert not onnxdc.share(pruned.model, bits=6).report.warnings


def test_a_name_that_says_nothing_is_shown_with_its_node():
    model = build("g (float[N, 20] x) => (float[N, 20] y) { y = MatMul(x, val_86) }", val_86=normal(20, 20))
    (warning,) = onnxdc.prune(model, density=0.1).report.warnings
    assert "of the energy of val_86 (MatMul y);" in warning


def test_the_command_warns_in_its_report_and_on_stderr_when_it_is_quiet(tmp_path):
    model, out = saved(dense(), tmp_path / "model.onnx"), tmp_path / "out.onnx"
    plain = command("prune", model, "-o", out, "--density", "0.1")
    assert plain.stdout.splitlines()[-1].startswith("warning: pruning took more than 3 % of the energy of 2 weights")
    quiet = command("prune", model, "-o", out, "--density", "0.1", "--quiet")
    assert (quiet.exit_code, quiet.stdout) == (0, "")
    assert quiet.stderr == f"onnxdc: {plain.stdout.splitlines()[-1]}\n"
    found = report_of(command("prune", model, "-o", out, "--density", "0.1", "--json", "--quiet"))["warnings"]
    assert [each["name"] for each in found] == ["fc1", "fc2"]


@pytest.mark.parametrize("verb", [onnxdc.encode, onnxdc.decode])
def test_nothing_is_lost_without_loss(verb):
    shared = onnxdc.share(dense(), bits=3).model
    assert not verb(shared if verb is onnxdc.encode else onnxdc.encode(shared).model).report.warnings


def readme_options() -> list[list[str]]:
    """The options of each ``onnxdc compress`` of README that needs no file of the reader's."""
    lines = re.findall(r"^ {4}onnxdc compress model\.onnx -o small\.onnx(.*)$", README.read_text("utf-8"), re.MULTILINE)
    return [line.split("#")[0].split() for line in lines if "--recipe" not in line and "--data" not in line]


@pytest.mark.parametrize("model", [LENET, CNN], ids=lambda path: path.stem)
def test_the_examples_of_the_readme_warn_of_nothing(model, tmp_path):
    assert len(readme_options()) > 1
    for options in readme_options():
        result = command("compress", model, "-o", tmp_path / "small.onnx", "--no-check", *options)
        assert result.exit_code == 0
        assert "warning" not in result.stdout
