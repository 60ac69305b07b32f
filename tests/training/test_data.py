"""Data that do not fit a model are refused in one line."""

from __future__ import annotations

import numpy as np
import pytest

import onnxdc as library
from onnxdc.errors import TrainingError
from onnxdc.training.data import load_data
from tests.helpers.small_models import saved
from tests.helpers.text_models import build, normal
from tests.helpers.training_models import (
    GOOD,
    classifier,
    error,
    error_of_usage,
    finetune,
    nothing_is_left,
    saved_items,
)

WRONG_DATA = {
    "no input": ({"labels": GOOD["labels"]}, "no array for input x, got labels"),
    "shape": (GOOD | {"x": GOOD["x"][:, :7]}, "input x: expected shape [N, 16], got float32[64, 7]"),
    "rank": (GOOD | {"x": GOOD["x"][None]}, "input x: expected shape [N, 16], got float32[1, 64, 16]"),
    "type": (GOOD | {"x": GOOD["x"] + 0j}, "input x: expected float32, got complex64[64, 16]"),
    "no labels": ({"x": GOOD["x"]}, "no array labels, got x"),
    "too few labels": (
        GOOD | {"labels": GOOD["labels"][:60]},
        "the arrays differ in their number of items: x 64, labels 60",
    ),
    "labels are floats": (
        GOOD | {"labels": GOOD["labels"] / 2},
        "labels: expected integers, one class an item, got float64[64]",
    ),
    "label too high": (GOOD | {"labels": GOOD["labels"] + 1}, "labels: expected labels from 0 to 7, got 1 to 8"),
    "label negative": (GOOD | {"labels": GOOD["labels"] - 1}, "labels: expected labels from 0 to 7, got -1 to 6"),
    "labels one-hot": (
        GOOD | {"labels": np.eye(8, dtype=int)[GOOD["labels"]]},
        "labels: expected shape [items], got [items, 8]",
    ),
    "NaN": (
        GOOD | {"x": np.where(np.arange(64)[:, None] == 5, np.float32("nan"), GOOD["x"])},
        "input x: NaN or infinite values, the first in item 5",
    ),
    "no items": ({"x": GOOD["x"][:0], "labels": GOOD["labels"][:0]}, "expected items, got none"),
}


@pytest.mark.parametrize(("arrays", "message"), WRONG_DATA.values(), ids=WRONG_DATA.keys())
def test_data_that_do_not_fit(arrays, message, model, tmp_path):
    data = saved_items(tmp_path / "bad.npz", **arrays)
    assert error(finetune(model, data)) == f"{data}: {message}"
    assert nothing_is_left(model)


def test_validation_data_are_checked_as_well(model, data, tmp_path):
    val = saved_items(tmp_path / "val.npz", **(GOOD | {"labels": GOOD["labels"] + 8}))
    assert error(finetune(model, data, "--val", val)) == f"{val}: labels: expected labels from 0 to 7, got 8 to 15"


def test_data_that_cannot_be_read(model, tmp_path):
    assert (
        error(finetune(model, tmp_path / "no.npz")) == f"{tmp_path / 'no.npz'}: cannot read: No such file or directory"
    )
    (tmp_path / "text.npz").write_text("no archive")
    assert error(finetune(model, tmp_path / "text.npz")).endswith(
        "text.npz: cannot read: not an .npz file of plain arrays"
    )


def test_values_that_a_table_does_not_have(tmp_path):
    model = build("g (int64[N] x) => (float[N, 8] y) { y = Gather(table, x) }", table=normal(50, 8))
    data = saved_items(tmp_path / "data.npz", x=np.array([3, 50]), labels=np.array([0, 1]))
    found = error(finetune(saved(model, tmp_path / "m.onnx"), data))
    assert found == f"{data}: input x: expected values from 0 to 49, got 3 to 50"


def test_binary_labels_out_of_range(model, tmp_path):
    data = saved_items(tmp_path / "data.npz", x=GOOD["x"], labels=np.full((64, 8), 2.0))
    assert (
        error(finetune(model, data, "--loss", "bce")) == f"{data}: labels: expected values from 0 to 1, got 2.0 to 2.0"
    )


def test_sizes_that_the_model_leaves_open_but_cannot_run(tmp_path):
    model = saved(
        build("g (float[N, D] x) => (float[N, 8] y) { y = MatMul(x, w) }", w=normal(64, 8)), tmp_path / "m.onnx"
    )
    data = saved_items(tmp_path / "data.npz", **GOOD)
    assert error(finetune(model, data)).startswith(
        f"{data}: node 'y' (MatMul): mat1 and mat2 shapes cannot be multiplied"
    )


def test_a_model_for_batches_of_one_size(tmp_path):
    model = saved(
        build("g (float[4, 16] x) => (float[4, 8] y) { y = MatMul(x, w) }", w=normal(16, 8)), tmp_path / "m.onnx"
    )
    data = saved_items(tmp_path / "data.npz", **GOOD)
    found = error_of_usage(finetune(model, data))
    assert found == f"--batch: {model} takes 4 items at a time, got batches of 64 and 64 items"
    assert finetune(model, data, "--batch", 4, "--min-elements", 1).exit_code == 0


def test_arrays_in_memory_are_called_data():
    with pytest.raises(TrainingError, match="data: no array labels, got x"):
        load_data({"x": GOOD["x"]}, [], "labels", "mse", required=True)


def test_a_single_item_cannot_be_split():
    one = {name: array[:1] for name, array in GOOD.items()}
    with pytest.raises(TrainingError, match="1 items cannot be split"):
        library.finetune(classifier(), one, val_share=0.5)


def test_labels_that_are_named_must_be_there_even_with_a_teacher(model, tmp_path):
    data = saved_items(tmp_path / "data.npz", x=GOOD["x"])
    assert finetune(model, data, "--teacher", model).exit_code == 0
    found = error(finetune(model, data, "--teacher", model, "--labels", "y"))
    assert found == f"{data}: no array y, got x"
