"""What a reader of a model should know of how it was read, for the one who reports."""

from __future__ import annotations

from typing import Final

import onnx_ir as ir

_NOTES: Final = "onnxdc.notes"  # where a model's meta keeps them


def add_note(model: ir.Model, note: str) -> None:
    """Keep a sentence with a model, for as long as it is in memory."""
    model.meta[_NOTES] = (*notes_of(model), note)


def notes_of(model: ir.Model) -> tuple[str, ...]:
    """Return the sentences that are kept with a model, in the order in which they came."""
    notes: tuple[str, ...] = model.meta.get(_NOTES, ())
    return notes
