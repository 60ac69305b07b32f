"""Tune: each recipe repeats its point bit for bit, figures are those of the files, and nothing is measured twice."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest

import onnxdc
from onnxdc import ModelError, OptionError, Recipe, RecipeError, Rule, Tuning
from onnxdc.api import points
from onnxdc.budget.makers import Calibrated
from onnxdc.calibration import sensitivity
from tests.budget.test_compress import DATA, LABELS, MODEL, OTHERS, divergence, run
from tests.helpers.text_models import build as build_model
from tests.helpers.text_models import normal

VAL = OTHERS | {"labels": LABELS}


def repeated(folder: Path, name: str, model: ir.Model | Path = MODEL, **arguments) -> onnxdc.CompressionResult:
    return onnxdc.compress(model, Recipe.from_toml(folder / name), **arguments)


def nbytes(result: onnxdc.CompressionResult) -> int:
    return int(ir.to_proto(result.model).ByteSize())


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("tune") / "curve"


@pytest.fixture(scope="module")
def tuning(folder) -> Tuning:
    return onnxdc.tune(MODEL, folder, data=DATA, val=VAL, points=4)


def test_points_reach_from_no_loss_to_too_much(tuning):
    divergences = [point.divergence for point in tuning.points]
    assert divergences == sorted(divergences)
    assert divergences[0] < 0.006
    assert divergences[-1] > 0.15
    assert all(a.nbytes > b.nbytes for a, b in zip(tuning.points, tuning.points[1:], strict=False))


def test_a_recipe_repeats_its_point_and_the_figures_are_those_of_the_file(folder, tuning, tmp_path):
    for point in tuning.points[1:3]:
        result = repeated(folder, point.recipe, data=DATA)
        result.save(tmp_path / "small.onnx")
        assert (tmp_path / "small.onnx").stat().st_size == point.nbytes
        assert point.ratio == pytest.approx(tuning.file_before / point.nbytes)
        assert divergence(result) == pytest.approx(point.divergence, rel=1e-3)
        assert 100 * (run(result.model, OTHERS["x"]).argmax(axis=1) == LABELS).mean() == pytest.approx(point.score)
        assert point.score + point.drop == 100
        assert {row.name: row.encoded_bytes for row in result.report.rows if row.encoded_bytes} == point.weight_bytes


OPTIONS = {
    "nothing": {},
    "a density": {"density": 0.4},
    "a density of all": {"global_density": 0.4},
    "a threshold": {"quality": 0.5},
    "few values": {"bits": 3},
    "k-means": {"recipe": Recipe(rules=(Rule(pattern="fc2", sharing="kmeans", bits=5),))},
    "a step": {"recipe": Recipe(rules=(Rule(op="MatMul", step=0.3),))},
}


@pytest.mark.parametrize(
    "data", [pytest.param(DATA, id="calibrated"), pytest.param(None, id="without data", marks=pytest.mark.slow)]
)
@pytest.mark.parametrize("name", OPTIONS)
def test_a_recipe_makes_the_same_file_to_the_bit(name, data, tmp_path, monkeypatch):
    made: list[bytes] = []

    def keeping(model: ir.Model) -> int:
        made.append(ir.to_proto(model).SerializeToString())
        return len(made[-1])

    monkeypatch.setattr(points, "file_bytes", keeping)
    tuning = onnxdc.tune(MODEL, tmp_path, data=data, val=OTHERS, points=2, **OPTIONS[name])
    for content, point in zip(made, tuning.points, strict=True):
        result = repeated(tmp_path, point.recipe, data=data)
        assert ir.to_proto(result.model).SerializeToString() == content


def test_equal_weights_are_one_again(tmp_path):
    weight = normal(96, 96, seed=1) / 10
    model = build_model(
        """
        twins (float[N, 96] x) => (float[N, 96] y) {
            a = MatMul(x, w1)
            h = Relu(a)
            y = MatMul(h, w2)
        }
        """,
        w1=weight,
        w2=weight.copy(),
    )
    tuning = onnxdc.tune(model, tmp_path, data=DATA, points=2)
    point = tuning.points[0]
    assert nbytes(repeated(tmp_path, point.recipe, model, data=DATA)) == point.nbytes
    assert len(point.weight_bytes) == 1


def test_a_recipe_of_all_steps_takes_one_build_and_no_importances(folder, tuning, monkeypatch):
    made = []
    monkeypatch.setattr(Calibrated, "__call__", counted(Calibrated.__call__, made))
    monkeypatch.setattr(sensitivity.Overrides, "__init__", refused)
    repeated(folder, tuning.points[-1].recipe, data=DATA)
    repeated(folder, tuning.points[1].recipe, data=DATA, target_size=tuning.points[1].nbytes + 1000)
    assert len(made) == 2
    with pytest.raises(ModelError, match="expected a file of at most"):
        repeated(folder, tuning.points[0].recipe, data=DATA, target_size=tuning.points[1].nbytes)
    assert len(made) == 3


def test_what_was_measured_is_not_measured_again(folder, tuning, tmp_path, monkeypatch):
    half = shutil.copytree(folder, tmp_path / "half")
    (half / tuning.points[2].recipe).unlink()
    made = []
    monkeypatch.setattr(Calibrated, "__call__", counted(Calibrated.__call__, made))
    monkeypatch.setattr(sensitivity.Overrides, "__init__", refused)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert onnxdc.tune(MODEL, folder, data=DATA, val=VAL, points=4) == tuning
    assert not made
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert onnxdc.tune(MODEL, half, data=DATA, val=VAL, points=4) == tuning
    assert len(made) == 1
    assert {path.name: path.read_bytes() for path in half.iterdir()} == before


def test_few_items_are_a_warning(tmp_path):
    tuning = onnxdc.tune(MODEL, tmp_path, data={"x": DATA["x"][:60]}, points=2)
    assert str(tuning).endswith("warning: calibrated on 40 items, 50 or more are better")


def test_importances_are_those_that_were_measured(tuning):
    assert {weight.name for weight in tuning.weights} == {"fc1", "fc2"}
    ratios = [weight.ratio for weight in tuning.weights]
    assert ratios == sorted(ratios, reverse=True)
    for weight in tuning.weights:
        assert weight.ratio == pytest.approx(weight.divergence / weight.loss * weight.signal)
        assert weight.elements == MODEL.graph.initializers[weight.name].const_value.size


def test_the_folder_names_no_paths(folder, tuning):
    text = (folder / "measured.json").read_text(encoding="utf-8")
    assert str(folder.parent) not in text
    content = json.loads(text)
    assert {point["recipe"] for point in content["points"]} == {point.recipe for point in tuning.points}


def test_a_recipe_says_what_it_gives_and_how_to_repeat_it(tmp_path):
    ir.save(MODEL, tmp_path / "a model.onnx")
    np.savez(tmp_path / "x.npz", **DATA)
    tuning = onnxdc.tune(tmp_path / "a model.onnx", tmp_path / "curve", data=tmp_path / "x.npz", points=2, fold=False)
    point = tuning.points[0]
    lines = (tmp_path / "curve" / point.recipe).read_text(encoding="utf-8").splitlines()
    assert lines[0].startswith(f"# {point.ratio:.1f}x, {point.nbytes:,} bytes: f {point.divergence:.3g} on 100 items")
    assert lines[1] == (
        f"# onnxdc compress 'a model.onnx' --data x.npz --no-fold --recipe {point.recipe} -o small.onnx"
    )


def test_the_time_of_sparse_weights_is_told(tmp_path):
    tuning = onnxdc.tune(MODEL, tmp_path, data=DATA, points=2, density=0.1, execution="sparse")
    assert all(point.time > 0 for point in tuning.points)
    assert re.search(r"^ratio +bytes +f +time +recipe$", str(tuning), re.MULTILINE)


def test_text_and_values_say_the_same(tuning):
    lines = str(tuning).splitlines()
    assert lines[0].split() == ["ratio", "bytes", "f", "top1", "(points)", "drop", "+-", "recipe"]
    assert lines[1].split()[1] == f"{tuning.points[0].nbytes:,}"
    assert json.loads(tuning.to_json())["points"][0]["nbytes"] == tuning.points[0].nbytes
    middle = tuning.points[2].weight_bytes[tuning.weights[0].name]
    assert f"{middle:,}" in next(line for line in lines if line.startswith(tuning.weights[0].name))


@pytest.mark.parametrize(
    ("changed", "what"),
    [
        ({"data": {"x": DATA["x"][:200]}}, "data"),
        ({"val": OTHERS | {"labels": LABELS[::-1]}}, "val"),
        ({"points": 5}, "points"),
        ({"metric": "cosine"}, "metric"),
        ({"bits": 5}, "recipe"),
        ({"fold": False}, "fold"),
        ({"bits": 5, "points": 3}, "recipe, points"),
    ],
)
def test_a_folder_of_other_things_is_refused(folder, tuning, changed, what):
    with pytest.raises(OptionError, match=rf"measured\.json: measured with another {what}: expected the same"):
        onnxdc.tune(MODEL, folder, **{"data": DATA, "val": VAL, "points": 4, **changed})


def test_a_folder_of_another_model_is_refused(folder, tuning):
    other = MODEL.clone()
    other.graph.initializers["b1"].const_value = ir.tensor(normal(256, seed=9), name="b1")
    with pytest.raises(OptionError, match="measured with another model: expected"):
        onnxdc.tune(other, folder, data=DATA, val=VAL, points=4)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({}, OptionError, "expected data or val, got none"),
        ({"data": DATA, "metric": "top1"}, OptionError, "metric needs val"),
        ({"val": VAL, "mask_input": "m"}, OptionError, "mask_input needs data"),
        ({"val": VAL, "points": 1}, OptionError, "points: expected an integer from 2 to 50, got 1"),
        ({"data": {"x": DATA["x"][:2]}}, OptionError, "data: too few items to hold some back, and no val"),
        ({"data": DATA, "recipe": Recipe(rules=(Rule(kind="fc", step=0.1),))}, OptionError, "leaves a step open"),
        ({"data": DATA, "bits": 12}, RecipeError, "bits: expected"),
    ],
)
def test_what_does_not_go_together_is_refused(options, error, message, tmp_path):
    with pytest.raises(error, match=message):
        onnxdc.tune(MODEL, tmp_path / "curve", **options)
    assert not (tmp_path / "curve").exists()


@pytest.mark.parametrize("content", ["{", "[]", '{"of": {}}', '{"of": 3}'])
def test_a_file_of_another_form_is_refused(content, tmp_path):
    (tmp_path / "measured.json").write_text(content)
    with pytest.raises(ModelError, match=r"measured\.json: cannot be read: expected what tune writes"):
        onnxdc.tune(MODEL, tmp_path, data=DATA)


def test_a_file_in_place_of_the_folder_is_refused(tmp_path):
    (tmp_path / "curve").write_text("")
    with pytest.raises(ModelError, match="curve: cannot write: "):
        onnxdc.tune(MODEL, tmp_path / "curve", data=DATA)


def counted(method, made: list[float]):
    def counting(self, strength):
        made.append(strength)
        return method(self, strength)

    return counting


def refused(*_arguments, **_keywords):
    raise AssertionError("importances are measured")
