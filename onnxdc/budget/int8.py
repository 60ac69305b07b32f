"""Builds whose layers run on integers."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Final

import onnx_ir as ir

from onnxdc.budget.builds import Build
from onnxdc.budget.makers import Calibrated, DataFree
from onnxdc.errors import ModelError, OptionError, OptionName
from onnxdc.evaluate.self_check import integer_layers
from onnxdc.graph.skips import Skip, SkipCode
from onnxdc.graph.slots import ROLES, Role
from onnxdc.graph.weights import find_weights
from onnxdc.int8.make import int8_model, static_tensors
from onnxdc.int8.ranges import Ranges, ranges_of
from onnxdc.int8.targets import Targets, Way, small_layers, targets_of
from onnxdc.model_io.feeds import Feed
from onnxdc.passes.plan import Plan, PlannedWeight
from onnxdc.recipe.rule import Settings
from onnxdc.report.text import first_names, grouped

_WAYS: Final = {"static": "static layer", "dynamic": "dynamic layer", "table": "table"}


class Int8:
    """Makes builds of int8 models, from weights that others round.

    Args:
        plan: The weights; the nodes of their model have names, see ``name_nodes``.
        targets: Which of them become int8.
        rounding: Rounds them.
        feeds: The data that the ranges of activations come from; None if there are none.
        custom_ops: Libraries of somebody's own operators that the model needs.

    Raises:
        ModelError: The model cannot be run on these feeds.
    """

    def __init__(
        self,
        plan: Plan,
        targets: Targets,
        rounding: Calibrated | DataFree,
        feeds: Sequence[Feed] | None,
        custom_ops: Sequence[str | os.PathLike[str]] = (),
    ) -> None:
        self._plan, self._targets, self._rounding, self._custom_ops = plan, targets, rounding, custom_ops
        self.start = rounding.start
        self._small = small_layers(plan) if feeds is not None else []
        self._ranges: Ranges = {}
        names = static_tensors(plan.model, [*targets.targets.values()], self._small)
        if feeds is not None and names:
            self._ranges = ranges_of(plan, names, feeds, custom_ops=custom_ops)

    @property
    def skips(self) -> Sequence[Skip]:
        """The weights that were not calibrated, with the reason."""
        return self._rounding.skips

    def __call__(self, strength: float) -> Build:
        """Return the build at a strength, see ``Calibrated`` and ``DataFree``."""
        rounded = self._rounding.rounded(strength, self._targets.forms)
        floats = self._rounding.built(rounded)
        integers = {name: weight.integers for name, weight in rounded.weights.items() if weight.integers is not None}
        targets = [target for name, target in self._targets.targets.items() if name in integers]
        made = int8_model(floats.plan.model, targets, integers, self._ranges, self._small)
        plan = _plan_of(made.model, floats.plan)
        return Build(plan, floats.shared, floats.steps, floats.densities, floats.plan, made.too_large)

    def told(self, build: Build, model: ir.Model) -> tuple[list[str], list[str]]:
        """Return what is to be told of an int8 model, and why it may be worth less than it seems, a sentence each.

        Args:
            build: The build that it was made of.
            model: The model, maybe encoded.

        Raises:
            ModelError: onnxruntime refuses it.
        """
        targets = self._without(build.too_large)
        layers, own = integer_layers(model, self._custom_ops), self._layers(targets, build.too_large)
        told, runs = told_of(targets), f"onnxruntime runs {layers} layers on integers"
        return (told, [f"{runs}, expected {own}"]) if layers < own else ([*told, runs], [])

    def _without(self, nodes: Collection[str]) -> Targets:
        """Return the targets without those whose nodes stay float as int32 cannot hold their biases."""
        targets = {name: target for name, target in self._targets.targets.items() if not {*target.nodes} & {*nodes}}
        reason = "its bias is too large for int32 at the scale of its products"
        skips = [Skip(name, SkipCode.STAYS_FLOAT, reason) for name in self._targets.targets if name not in targets]
        return replace(self._targets, targets=targets, skips=[*self._targets.skips, *skips])

    def _layers(self, targets: Targets, too_large: Collection[str]) -> int:
        """How many layers are to run on integers."""
        layers = [target for target in targets.targets.values() if target.way is not Way.TABLE]
        small = {*self._small} - {*too_large} if any(target.way is Way.STATIC for target in layers) else set()
        return sum(len(target.nodes) for target in layers) + len(small)


def int8_targets(plan: Plan, *, has_data: bool) -> Targets:
    """Return which weights of a plan become int8.

    Raises:
        ModelError: None can.
        OptionError: None does, for there are no data; or a static layer that was asked for needs some.
    """
    targets = targets_of(plan, has_data=has_data)
    asked = plan.recipe.defaults.activation == "static" or any(
        rule.activation == "static" for rule in plan.recipe.rules
    )
    if targets.needs_data and (asked or not targets.targets):
        names = first_names(targets.needs_data)
        raise OptionError(
            "static activations need ", OptionName("data"), f": {names}; or ", OptionName("activation"), " float"
        )
    if targets.skips and not targets.targets and not plan.having(Role.INTEGERS):
        raise ModelError(f"nothing to quantize: {'; '.join(_reasons(targets))}")
    return targets


def told_of(targets: Targets) -> list[str]:
    """Return a line for what became int8, and one for each reason why weights stay float."""
    counts = grouped((name, target.way.value) for name, target in targets.targets.items())
    became = ", ".join(f"{len(names)} {_WAYS[way]}{'s' * (len(names) > 1)}" for way, names in counts.items())
    stays = [f"stays float: {reason}" for reason in _reasons(targets)]
    return [f"int8: {became or 'no float weight to quantize'}", *stays]


def _reasons(targets: Targets) -> list[str]:
    """Return the names of weights that stay float, with the reason, one for each reason."""
    reasons = grouped((skip.name, skip.common_reason) for skip in targets.skips)
    return [f"{first_names(names)}: {reason}" for reason, names in reasons.items()]


def _on_floats(settings: Settings) -> Settings:
    """Return settings for what was not made int8: the activations that were asked for were those of int8 layers."""
    return replace(settings, activation=None)


def _plan_of(model: ir.Model, floats: Plan) -> Plan:
    """Return the plan for encoding an int8 model: its weights have the settings of those that they were."""
    weights, skips = find_weights(model, floats.recipe.min_elements, ROLES)
    known = {planned.weight.name: planned.settings for planned in floats.weights}
    planned = (
        PlannedWeight(weight, _on_floats(known.get(weight.name) or floats.recipe.without_rules(weight)), (weight.name,))
        for weight in weights
    )
    return Plan(model, floats.recipe, tuple(planned), tuple(skips), floats.mapper)
