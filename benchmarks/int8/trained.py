"""A trained model and what becomes of it in integers: divergence, score, the time of a run and that of loading."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

import numpy as np

from common.loading import measure_load, median_load
from common.sessions import Feed, load
from common.trained import trained_models
from common.turns import clock_for, run_times
from fewest.cases import Case, Items, Part
from onnxdc.evaluate.judge import Judge
from onnxdc.evaluate.metrics import Drop, metric_of

_LOADS: Final = 5


@dataclass(frozen=True)
class Measured:
    """What was measured of a file.

    Attributes:
        nbytes: Its bytes.
        f: The divergence of the outputs.
        drop: The drop of the score.
        latency: The time of a run over that of the original.
        load: The seconds until a session is there.
    """

    nbytes: int
    f: float
    drop: Drop
    latency: float
    load: float


@dataclass(frozen=True)
class Trained:
    """A model, and the inputs that files are measured on.

    Attributes:
        case: The model.
        items: What to calibrate on, and what judges.
        judge: What tells the divergence and the score of a file.
        single: One item, for measuring time; a sentence of 64 tokens for MiniLM.
    """

    case: Case
    items: Items = field(repr=False)
    judge: Judge = field(repr=False)
    single: Feed = field(repr=False)

    def measure(self, path: Path) -> Measured:
        """Measure a file, in onnxruntime alone."""
        metric = metric_of(self.case.metric or "f")
        assert metric is not None, "these models have one"
        drop, f = self.judge.drop(path, metric)
        sessions = [load(self.case.file, "dense", 1), load(path, "portable", 1)]
        before, after = run_times(sessions, self.single, clock=clock_for(1))
        cpu = median_load([measure_load(path, "portable", 1) for _ in range(_LOADS)]).cpu
        return Measured(path.stat().st_size, f, drop, after / before, cpu)


def read_trained(name: str, cases: Mapping[str, Case], folder: Path, minilm: Path | None) -> Trained:
    """Read the inputs of a model.

    Args:
        name: Its name.
        cases: All models.
        folder: The folder of the data.
        minilm: The file of MiniLM, if it is not in the folder.
    """
    case = cases[name]
    items = _items(case, cases)
    judge = Judge(case.file, items.judging.feeds, items.judging.labels)
    if name == "minilm":
        single = trained_models(folder, minilm)[name].load().single
    else:
        single = {key: array[:1] for key, array in items.judging.feeds[0].items()}
    return Trained(case, items, judge, single)


def _items(case: Case, cases: Mapping[str, Case]) -> Items:
    """Return the inputs of a model; of ResNet-56 all test images judge, the two parts of a split."""
    if case.name != "resnet56":
        return case.load()
    items = cases["resnet56_split1"].load()
    first, others = items.val, items.judging
    assert first.labels is not None, "images have labels"
    assert others.labels is not None, "images have labels"
    labels = np.concatenate([first.labels, others.labels])
    return replace(items, judging=Part([*first.feeds, *others.feeds], labels, {}))
