"""Which weights have lost so much energy, their sum of squares, that the model may be ruined.

The limits are where the models of docs/accuracy.md begin to lose accuracy. They differ as pruning takes what matters
least, while sharing moves every element at random.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal, TypeAlias

from onnxdc.passes.plan import Plan
from onnxdc.passes.result import Pruned, Shared, WeightChange
from onnxdc.report.names import label
from onnxdc.shown import shown

LossyStage: TypeAlias = Literal["prune", "share"]

ENERGY_LIMITS: Final[dict[LossyStage, float]] = {"prune": 0.03, "share": 0.01}  # measured, see docs/accuracy.md
_DOING: Final[dict[LossyStage, str]] = {"prune": "pruning", "share": "sharing"}


@dataclass(frozen=True)
class Loss:
    """A weight that a stage took more energy from than models are known to stand.

    Attributes:
        name: The name of the weight.
        node: The node that uses it, as in ``WeightRow``.
        stage: What took the energy.
        energy_lost: The share of the energy that the weight had before that stage.
        limit: The share that models are known to stand.
    """

    name: str
    node: str
    stage: LossyStage
    energy_lost: float
    limit: float

    def to_dict(self) -> dict[str, Any]:
        """Return the attributes."""
        return asdict(self)


def find_losses(plan: Plan, changes: Iterable[WeightChange]) -> tuple[Loss, ...]:
    """Find the weights that have lost too much, in the order of the changes; other changes lose nothing."""
    nodes = {planned.weight.name: planned.weight.node for planned in plan.weights}
    found = []
    for change in changes:
        if not isinstance(change, Pruned | Shared):
            continue
        stage: LossyStage = "prune" if isinstance(change, Pruned) else "share"
        if change.energy_lost > ENERGY_LIMITS[stage]:
            found.append(Loss(change.name, nodes[change.name], stage, change.energy_lost, ENERGY_LIMITS[stage]))
    return tuple(found)


def warnings_of(losses: Sequence[Loss]) -> tuple[str, ...]:
    """Return one sentence for all losses; none if there are none."""
    clauses = [_clause(stage, [loss for loss in losses if loss.stage == stage]) for stage in ENERGY_LIMITS]
    taken = " and ".join(filter(None, clauses))
    advice = "such models have lost accuracy: look with `onnxdc verify`, train again with `onnxdc finetune`"
    return (f"{taken}; {advice}",) if taken else ()


def _clause(stage: LossyStage, losses: Sequence[Loss]) -> str:
    """Return what a stage took: how often too much, and where most."""
    if not losses:
        return ""
    worst = max(losses, key=lambda loss: loss.energy_lost)
    name = shown(label(worst.name, worst.node))
    if len(losses) == 1:
        return f"{_DOING[stage]} took {_percent(worst.energy_lost)} of the energy of {name}"
    most = f"most of {name}, {_percent(worst.energy_lost)}"
    return f"{_DOING[stage]} took more than {_percent(worst.limit)} of the energy of {len(losses)} weights, {most}"


def _percent(share: float) -> str:
    return f"{100 * share:.2g} %" if share < 0.995 else "all"
