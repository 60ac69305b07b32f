"""What is told of options that a model's integers do not heed: they are coded as they are."""

from __future__ import annotations

from typing import Final

from onnxdc.graph.slots import Role
from onnxdc.passes.plan import Plan
from onnxdc.recipe import Recipe
from onnxdc.report.text import first_names

_OF_VALUES: Final = ("density", "quality", "threshold", "sharing", "step", "bits", "init", "groups")


def unheeded(plan: Plan, recipe: Recipe, *, calibrates: bool) -> tuple[str, ...]:
    """Return a sentence if something that changes values was asked of a model that has integers already.

    Args:
        plan: The weights.
        recipe: What is to be done to them.
        calibrates: Whether there are data to calibrate on.
    """
    integers = plan.having(Role.INTEGERS)
    asked = [key for key in _OF_VALUES if getattr(recipe.defaults, key) is not None]
    asked += ["global_density"] if recipe.global_density is not None else []
    asked += ["data"] if calibrates else []
    if not integers or not asked:
        return ()
    types = sorted({planned.weight.tensor.dtype.name.lower() for planned in integers})
    names = first_names([planned.weight.name for planned in integers])
    return (f"{', '.join(asked)}: not for {names}: already {', '.join(types)}, coded as they are",)
