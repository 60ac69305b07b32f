"""Describe: a page on what compression did to a model."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

import numpy as np

from onnxdc import model_io
from onnxdc.budget.measured import Found, found_by_tune
from onnxdc.domain.limits import Limit
from onnxdc.errors import ModelError
from onnxdc.hooks.reading import model_digest
from onnxdc.model_io import Source
from onnxdc.overview import look
from onnxdc.page import Page
from onnxdc.request import StageProgress, stage_progress


def describe(
    small: Source,
    model: Source | None = None,
    *,
    tune: str | os.PathLike[str] | None = None,
    inputs: Mapping[str, np.ndarray] | None = None,
    labels: np.ndarray | None = None,
    custom_ops: Sequence[str | os.PathLike[str]] = (),
    limit: Limit | None = None,
    progress: StageProgress | None = None,
) -> Page:
    """Return a page about a compressed file: what its bytes are, each weight, and, with the original, what it costs.

    Both models are run, so that times and outputs are those of this machine. What there is no source for is left out:
    without the original there are no times before, no changes and no verdict on the outputs.

    Args:
        small: The file: a path, or a model in memory. One that is not compressed shows its weights.
        model: The original, likewise.
        tune: What ``tune`` has measured of the original: its folder, or the ``measured.json`` in it.
        inputs: An array for each input, as for ``verify``; without, they are made up.
        labels: The right class of each item, likewise.
        custom_ops: Libraries of somebody's own operators that the models need to run.
        limit: The bytes that the weights of a model may take, as for ``verify``.
        progress: Called after each weight.

    Raises:
        ModelError: A model cannot be read or run, its weights take more than the limit, inputs or labels do not fit,
            the original has other inputs or outputs than the file, or what ``tune`` has measured cannot be read or is
            of another model.
        FormatError: A compressed weight breaks a rule of the format.
        OptionError: The limit is no size.
    """
    found = None if tune is None else found_by_tune(tune)
    if found is not None and model is not None:
        _check_is_of(found, model)
    overview = look(
        small,
        model,
        tuning=None if found is None else found.tuning,
        inputs=inputs,
        labels=labels,
        custom_ops=custom_ops,
        limit=limit,
        progress=stage_progress("describe", progress),
    )
    return Page(overview)


def _check_is_of(found: Found, model: Source) -> None:
    """Refuse what was measured of another model."""
    if found.digest != model_digest(model_io.load(model)):
        raise ModelError(
            f"{found.path}: expected what tune has measured of {model_io.name_of(model)}, got another model"
        )
