"""Choose among the builds of a model the one that a caller wishes for, and tell how it was chosen."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import onnx_ir as ir

from onnxdc import model_io
from onnxdc.budget.builds import Build, Weigh, best_of_size, smallest_of_divergence, smallest_of_drop
from onnxdc.budget.dataset import Given, given
from onnxdc.budget.int8 import Int8, int8_targets
from onnxdc.budget.makers import Calibrated, DataFree, says_all_steps
from onnxdc.budget.telling import few_items, held_back_record, no_classes, not_calibrated
from onnxdc.budget.wish import Wish
from onnxdc.calibration.sensitivity import Sensitivity
from onnxdc.domain.target_size import target_bytes
from onnxdc.errors import ModelError
from onnxdc.evaluate.judge import Judge
from onnxdc.graph.skips import Skip
from onnxdc.graph.slots import Role
from onnxdc.int8.targets import Targets, name_nodes
from onnxdc.model_io import Source
from onnxdc.model_io.feeds import input_specs
from onnxdc.passes.plan import Plan
from onnxdc.passes.prune import prune
from onnxdc.request import StageProgress, stage_progress

USUAL_F: Final = 0.01  # with data and no other wish: a quarter of what loses a point, see docs/accuracy.md
LARGEST_F: Final = 0.05  # beyond it models have lost a point of accuracy or more, see docs/accuracy.md

_FINE: Final = 8.0  # octaves of strength, four bits: steps as fine as int8 permits for nearly all weights


@dataclass
class Choice:
    """The build that was chosen.

    Attributes:
        build: The build.
        told: How it was chosen, a sentence each.
        record: The same as values, for the file.
        cautions: Why it may be worth less than it seems, a sentence each.
        skips: The weights that were not calibrated, with the reason.
    """

    build: Build
    told: list[str] = field(default_factory=list)
    record: dict[str, Any] = field(default_factory=dict)
    cautions: list[str] = field(default_factory=list)
    skips: Sequence[Skip] = ()


def maker(
    plan: Plan,
    given: Given,
    wish: Wish,
    custom_ops: Sequence[str | os.PathLike[str]] = (),
    progress: StageProgress | None = None,
    *,
    sensitivities: Mapping[str, Sensitivity] | None = None,
) -> DataFree | Calibrated:
    """Return what makes builds of a model: calibrated if there are data; the model of the plan is pruned first.

    Args:
        plan: The weights.
        given: The data.
        wish: How to calibrate on them.
        custom_ops: Libraries of somebody's own operators that the model needs.
        progress: Called as the work goes on.
        sensitivities: What was measured of each weight before, if it was.

    Raises:
        ModelError, OptionError: See ``Calibrated``.
    """
    if given.kept is None:
        prune(plan, progress=stage_progress("prune", progress))
        return DataFree(plan, progress)
    return Calibrated(
        *(plan, given.kept.feeds),
        memory=wish.memory_bytes,
        mask_input=wish.mask_input,
        scores=given.scores,
        sensitivities=sensitivities,
        custom_ops=custom_ops,
        progress=progress,
    )


def held_back_judge(original: Source, given: Given, custom_ops: Sequence[str | os.PathLike[str]] = ()) -> Judge | None:
    """Return who judges by the items that are held back; None if there are none."""
    if given.held_back is None:
        return None
    return Judge(original, given.held_back.feeds, custom_ops=custom_ops, scores=given.scores)


class Chooser:
    """Knows the builds of a model, and the data to judge them by.

    Args:
        plan: The weights of the folded model.
        wish: What is wished for.
        original: The model as it was given.
        custom_ops: Libraries of somebody's own operators that the model needs.
        progress: Called as the work goes on.

    Raises:
        ModelError: The data do not fit the model, or it cannot be run on them.
        OptionError: A wish cannot be had of this model.
    """

    def __init__(
        self,
        plan: Plan,
        wish: Wish,
        original: Source,
        custom_ops: Sequence[str | os.PathLike[str]] = (),
        progress: StageProgress | None = None,
    ) -> None:
        self._plan, self._wish, self._original = plan, wish, original
        self._custom_ops, self._name = custom_ops, model_io.name_of(original)
        self._given = given(wish.data, wish.val, input_specs(plan.model, self._name), self._name)
        self._held_back = held_back_judge(original, self._given, custom_ops)
        self._val: Judge | None = None
        self._maker: DataFree | Calibrated | Int8
        self._targets: Targets | None = None
        if wish.int8:
            name_nodes(plan.model)
            self._targets = int8_targets(plan, has_data=self._given.kept is not None)
        self._maker = rounding = maker(plan, self._given, wish, custom_ops, progress)
        if self._targets is not None:
            feeds = None if self._given.kept is None else self._given.kept.feeds
            self._maker = Int8(plan, self._targets, rounding, feeds, custom_ops)
        self._is_worse_at_finest = self._targets is not None or rounding.prunes
        self._only: Build | None = None

    def choose(self, weigh: Weigh, file_bytes: int | None) -> Choice:
        """Return the build that is wished for.

        Args:
            weigh: Returns the bytes of the file that becomes of a build.
            file_bytes: The bytes of the input file; None for a model from memory.

        Raises:
            ModelError: There is no such build.
        """
        if self._wish.target_size is not None:
            return self._of_size(weigh, target_bytes(self._wish.target_size, file_bytes))
        if self._wish.max_drop is not None:
            return self._of_drop(self._wish.max_drop)
        return self._usual()

    def judged(self, choice: Choice, model: ir.Model) -> None:
        """Measure what became of the build that was chosen, and tell it.

        Raises:
            ModelError: The model cannot be run; or it diverges too far, and the wish is strict.
        """
        choice.skips = self._maker.skips
        if isinstance(self._maker, Int8):
            told, cautions = self._maker.told(choice.build, model)
            choice.told += told
            choice.cautions += cautions
        choice.told += not_calibrated(choice.skips)
        choice.cautions += few_items(self._given)
        judges = [judge for judge in (self._held_back, self._val) if judge is not None]
        found = dict.fromkeys(caution for judge in judges for caution in judge.cautions(model))
        if found:
            choice.cautions.append(f"{'; '.join(found)}: look with `onnxdc verify`")
        if self._held_back is None:
            return
        divergence, items = self._held_back.divergence(model), self._held_back.items
        choice.told.append(f"f {divergence:.3g} on {items} items held back from calibration")
        choice.record |= held_back_record(divergence, items)
        if not divergence <= LARGEST_F:
            caution = f"f {divergence:.3g} on held-back items, models beyond {LARGEST_F:g} have lost accuracy"
            if self._wish.strict:
                raise ModelError(f"{self._name}: {caution}")
            choice.cautions.append(f"{caution}: look with `onnxdc verify`")

    def _make(self, strength: float) -> Build:
        """Return the build at a strength; there is only one where the recipe says all steps."""
        if not says_all_steps(self._plan):
            return self._maker(strength)
        if self._only is None:
            self._only = self._maker(strength)
        return self._only

    def _of_size(self, weigh: Weigh, size: int) -> Choice:
        elements = sum(planned.weight.size for planned in self._plan.having(Role.WEIGHT, Role.TABLE))
        found = best_of_size(self._make, weigh, size, start=self._maker.start, elements=elements)
        builds = len(found.points)
        if found.best is None:
            least = min(nbytes for _, nbytes in found.points)
            raise ModelError(f"{self._name}: expected a file of at most {size:,} bytes, got {least:,.0f} at least")
        told = f"at most {size:,} bytes asked for, after {builds} builds"
        return Choice(found.best.thing, [told], {"target_size": size})

    def _of_drop(self, largest: float) -> Choice:
        val = self._given.val
        assert val is not None, "checked by the wish"
        metric = self._wish.metric_for(val.has_classes)
        self._val = judge = Judge(self._original, val.feeds, val.labels, self._custom_ops)
        if metric is None:
            return self._of_divergence(judge, largest)
        found, drop = smallest_of_drop(self._make, judge, metric, largest, start=self._maker.start)
        if found.best is None or drop is None:
            raise ModelError(f"{self._name}: expected a drop of at most {largest:g}, got more at the finest steps")
        unit = f" {metric.unit}" if metric.unit else ""
        told = (
            f"{metric.name} {drop.before:.4g} -> {drop.after:.4g}: drops by {drop.value:.3g} +- {drop.error:.2g}{unit} "
            f"on {judge.items} items, of {largest:g} allowed"
        )
        record = {"max_drop": largest, "metric": metric.name, "before": drop.before, "after": drop.after}
        return Choice(found.best.thing, [told], record | {"error": float(f"{drop.error:.2g}"), "items": judge.items})

    def _of_divergence(self, judge: Judge, largest: float) -> Choice:
        found = smallest_of_divergence(self._make, judge, largest, start=self._maker.start)
        if found.best is None:
            raise ModelError(f"{self._name}: expected f of at most {largest:g}, got more at the finest steps")
        f = 2**found.best.y
        told = f"f {f:.3g} on {judge.items} items, of {largest:g} allowed"
        record = {"max_drop": largest, "metric": "f", "after": float(f"{f:.3g}")}
        return Choice(found.best.thing, [told], record, [] if self._wish.metric else no_classes(largest, LARGEST_F))

    def _usual(self) -> Choice:
        """Return the coarsest build that is as good as it is without any wish, by items that are held back."""
        if self._given.kept is None:
            return Choice(self._make(self._maker.start))
        if self._held_back is None:
            return Choice(self._make(self._maker.start), ["too few items to hold some back: not measured"])
        if says_all_steps(self._plan):
            return Choice(self._make(self._maker.start))
        largest = USUAL_F + self._of_finest_steps(self._held_back)
        found = smallest_of_divergence(self._make, self._held_back, largest, start=self._maker.start)
        if found.best is not None:
            return Choice(found.best.thing)
        return Choice(self._make(min(found.points, key=lambda point: point[1])[0]))

    def _of_finest_steps(self, judge: Judge) -> float:
        """Return the divergence that integers and chosen zeros cost by themselves; 0 where there are none of them."""
        if not self._is_worse_at_finest:
            return 0.0
        return judge.divergence(self._maker(self._maker.start - _FINE).plan.model)
