"""Look at a compressed file, and at the model that it was made of, if that is given."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnx_ir as ir

from onnxdc import model_io
from onnxdc.domain import provenance
from onnxdc.domain.limits import Limit
from onnxdc.domain.provenance import Provenance
from onnxdc.errors import ModelError
from onnxdc.evaluate import verify
from onnxdc.graph.slots import ROLES
from onnxdc.graph.weights import find_weights
from onnxdc.model_io import Source
from onnxdc.model_io.budget import budget_of
from onnxdc.overview.again import again_of
from onnxdc.overview.originals import Originals
from onnxdc.overview.parts import parts_of
from onnxdc.overview.runs import Runs
from onnxdc.overview.stages import stages_of
from onnxdc.overview.weights import seen_weights
from onnxdc.passes.result import Progress
from onnxdc.recipe import Recipe
from onnxdc.report.overview import Overview
from onnxdc.report.rows import inspect_weights
from onnxdc.report.tuning import Tuning
from onnxdc.runtime import best_decoder, naming


def look(
    small: Source,
    original: Source | None = None,
    *,
    tuning: Tuning | None = None,
    inputs: Mapping[str, np.ndarray] | None = None,
    labels: np.ndarray | None = None,
    custom_ops: Sequence[str | os.PathLike[str]] = (),
    limit: Limit | None = None,
    progress: Progress | None = None,
) -> Overview:
    """Return what is known of a file; the arguments are those of ``api.describe``, with what ``tune`` found read.

    Raises:
        ModelError, FormatError, OptionError: See ``api.describe``.
    """
    loaded = model_io.load(small, upgrade=False)
    nbytes = _bytes_of(small, loaded)
    parts = parts_of(small, loaded, nbytes)
    made = provenance.take(loaded)
    with naming(small):
        rows, _ = inspect_weights(loaded, Recipe(), best_decoder(), progress, budget=budget_of(loaded, limit))
    before = None if original is None else model_io.load(original)
    if original is not None and before is not None:
        _check_is_of(original, before, small, loaded)
    originals = None if before is None else Originals(before, loaded)
    weights = {weight.name: weight for weight in find_weights(loaded, 1, ROLES)[0]}
    seen = list(seen_weights(loaded, rows, weights, originals, made))
    del originals
    runs = Runs(small, original, loaded, inputs, custom_ops, limit)
    seen = [runs.timed(each) for each in seen]
    verification = None
    if original is not None:
        verify_both = partial(verify, original, small, inputs, labels, custom_ops=custom_ops, limit=limit)
        verification = runs.tried("outputs", verify_both)
    original_bytes = None if original is None or before is None else _bytes_of(original, before)
    name = "" if original is None else _name(original)
    return Overview(
        name=_name(small),
        nbytes=nbytes,
        original=name,
        original_bytes=original_bytes,
        made_by=made.version if made else "",
        stages=stages_of(seen, nbytes, original_bytes),
        parts=parts,
        weights=tuple(seen),
        speed=runs.speed,
        verification=verification,
        held=_held(made),
        energy=runs.energy(seen, weights),
        tuning=tuning,
        again=again_of(made, name, _name(small), same=all(each.change == 0 for each in seen)) if made else None,
        notes=tuple(dict.fromkeys(runs.notes)),
    )


def _check_is_of(original: Source, before: ir.Model, small: Source, loaded: ir.Model) -> None:
    """Refuse an original with other inputs or outputs than the file, which compression keeps."""
    expected, got = _interface(loaded), _interface(before)
    if got != expected:
        raise ModelError(
            f"{model_io.name_of(original)}: expected the model that {model_io.name_of(small)} was made of, "
            f"{expected}, got {got}"
        )


def _interface(model: ir.Model) -> str:
    """Say what goes in and what comes out; an initializer among the inputs is no matter."""
    inputs = [value.name for value in model.graph.inputs if value.name not in model.graph.initializers]
    return f"inputs {inputs} and outputs {[value.name for value in model.graph.outputs]}"


def _bytes_of(source: Source, loaded: ir.Model) -> int:
    """Return the bytes of the files of a model, or those that one from memory would take."""
    nbytes = model_io.file_bytes(loaded) if isinstance(source, str | os.PathLike) else None
    return int(model_io.to_proto(loaded).ByteSize()) if nbytes is None else nbytes


def _name(source: Source) -> str:
    return Path(source).name if isinstance(source, str | os.PathLike) else "model"


def _held(made: Provenance | None) -> dict[str, Any]:
    """Return what a file says of how it was chosen."""
    budget = made.options.get("budget") if made else None
    return dict(budget) if isinstance(budget, dict) else {}
