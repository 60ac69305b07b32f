"""The points of tune: a model of one strength, what it loses, and the recipe that makes it again."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import onnx_ir as ir

from onnxdc.api.encoding import COMPRESS, encode_plan, file_bytes, require_groups
from onnxdc.budget.builds import Build
from onnxdc.budget.choosing import held_back_judge, maker
from onnxdc.budget.dataset import Given
from onnxdc.budget.makers import Calibrated, DataFree
from onnxdc.budget.repeating import repeating
from onnxdc.budget.telling import held_back_record
from onnxdc.budget.wish import Wish
from onnxdc.calibration.sensitivity import Sensitivity
from onnxdc.calibration.tasks import calibrated_weights
from onnxdc.domain import provenance
from onnxdc.evaluate.judge import Judge
from onnxdc.evaluate.metrics import Metric
from onnxdc.evaluate.timing import time_ratio
from onnxdc.model_io import Source
from onnxdc.passes.plan import Plan
from onnxdc.recipe import Recipe
from onnxdc.report.tuning import TunedPoint, TunedWeight
from onnxdc.request import StageProgress


@dataclass
class Bench:
    """Makes and measures the models of one plan; nothing is done before it is asked for.

    Attributes:
        plan: The weights.
        original: The model as it was given.
        file_before: The bytes of its file.
        given: The data, some to judge by among them.
        wish: How to calibrate.
        metric: The metric; None without one.
        custom_ops: Libraries of somebody's own operators that the model needs.
        progress: Called as the work goes on.
        known: What each weight matters, if that was measured before.
    """

    plan: Plan
    original: Source
    file_before: int
    given: Given
    wish: Wish
    metric: Metric | None
    custom_ops: Sequence[str | os.PathLike[str]]
    progress: StageProgress | None
    known: Sequence[TunedWeight] | None

    @cached_property
    def maker(self) -> DataFree | Calibrated:
        """What makes the builds."""
        sensitivities = None
        if self.known is not None:
            sensitivities = {each.name: Sensitivity(each.divergence, each.loss, each.signal) for each in self.known}
        return maker(self.plan, self.given, self.wish, self.custom_ops, self.progress, sensitivities=sensitivities)

    def weights(self) -> list[TunedWeight]:
        """Return what each weight matters; an empty list without data to calibrate on."""
        if not isinstance(self.maker, Calibrated):
            return []
        sizes = {planned.weight.name: planned.weight.size for planned in calibrated_weights(self.plan)}
        return [
            TunedWeight(name, sizes[name], _finite(found.divergence), found.loss, found.signal, found.ratio)
            for name, found in self.maker.sensitivities.items()
        ]

    def divergence(self, build: Build) -> float | None:
        """Return the divergence f of a build; None if it is no finite number."""
        return _finite(self._judge.divergence(build.plan.model))

    def point(self, strength: float, build: Build) -> tuple[TunedPoint, Recipe]:
        """Encode a build as ``compress`` would by its recipe, and measure it; the point has no name yet.

        Raises:
            ModelError: Nothing gets smaller, or the model cannot be run.
            RecipeError: No recipe can say it.
        """
        recipe = repeating(build)
        plan = replace(build.plan, recipe=recipe)
        report = encode_plan(plan, COMPRESS, None)
        require_groups(report, self.original, plan, "tune")
        if self._held_back is not None:
            record = held_back_record(self._held_back.divergence(plan.model), self._held_back.items)
            provenance.extend(plan.model, "budget", record)
        elif self.given.kept is not None:
            provenance.extend(plan.model, "budget", {})
        nbytes = file_bytes(plan.model)
        point = TunedPoint(
            "",
            strength,
            nbytes,
            self.file_before / nbytes,
            **self._judged(plan.model),
            time=self._time(plan.model) if any(row.runs_sparse for row in report.rows) else None,
            weight_bytes={row.name: row.encoded_bytes for row in report.rows if row.encoded_bytes is not None},
        )
        return point, recipe

    @cached_property
    def _held_back(self) -> Judge | None:
        return held_back_judge(self.original, self.given, self.custom_ops)

    @cached_property
    def _judge(self) -> Judge:
        """Who says what is lost: by other data if they were given, else by what was held back."""
        if self.given.val is not None:
            return Judge(self.original, self.given.val.feeds, self.given.val.labels, self.custom_ops)
        assert self._held_back is not None, "checked before"
        return self._held_back

    def _judged(self, model: ir.Model) -> dict[str, Any]:
        if self.metric is None:
            return {"divergence": _finite(self._judge.divergence(model))}
        drop, divergence = self._judge.drop(model, self.metric)
        return {"divergence": _finite(divergence), "score": drop.after, "drop": drop.value, "error": drop.error}

    def _time(self, model: ir.Model) -> float:
        items = self.given.val or self.given.held_back
        assert items is not None, "checked before"
        return time_ratio(self.original, model, items.feeds[0], self.custom_ops)


def _finite(number: float | None) -> float | None:
    return number if number is not None and math.isfinite(number) else None
