"""Errors name options as whoever reads them knows them."""

from __future__ import annotations

import pickle

import pytest

from onnxdc.errors import Interrupted, OnnxdcError, OptionName, TrainingError


def test_the_library_names_an_option_as_python_has_it() -> None:
    error = TrainingError("too fast: try a smaller ", OptionName("lr_schedule"), " than this")
    assert str(error) == "too fast: try a smaller lr_schedule than this"
    assert error.message(lambda option: f"<{option}>") == "too fast: try a smaller <lr_schedule> than this"


def test_parts_of_a_message_go_through_other_errors_and_processes() -> None:
    inner = TrainingError("see ", OptionName("batch"))
    outer = TrainingError("model.onnx: ", *pickle.loads(pickle.dumps(inner)).args)
    assert outer.message(str.upper) == "model.onnx: see BATCH"


def test_an_interrupt_is_no_error_of_the_library() -> None:
    with pytest.raises(KeyboardInterrupt, match="resume goes on"):
        raise Interrupted(OptionName("resume"), " goes on")
    assert not issubclass(Interrupted, OnnxdcError)
