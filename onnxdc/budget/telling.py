"""What is told of calibration: what was not calibrated, on how few items, and the divergence on those held back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from onnxdc.budget.dataset import Given
from onnxdc.graph.skips import Skip
from onnxdc.report.text import first_names, grouped

FEW_ITEMS: Final = 50  # to calibrate on


def held_back_record(divergence: float, items: int) -> dict[str, Any]:
    """Return what a file says of the divergence on items that were held back."""
    return {"divergence": float(f"{divergence:.3g}"), "held_back": items}


def not_calibrated(skips: Sequence[Skip]) -> list[str]:
    """Return a line for each reason why weights were not calibrated, with the first of their names."""
    reasons = grouped((skip.name, skip.common_reason) for skip in skips)
    return [f"not calibrated: {first_names(names)}: {reason}" for reason, names in reasons.items()]


def few_items(given: Given) -> list[str]:
    """Return a caution if there are few items to calibrate on."""
    items = FEW_ITEMS if given.kept is None else given.kept.items
    return [f"calibrated on {items} items, {FEW_ITEMS} or more are better"] if items < FEW_ITEMS else []


def no_classes(largest: float, usual: float) -> list[str]:
    """Return a caution if a drop that is meant in points, as of labels that are classes, was taken for one of f."""
    if largest <= usual:
        return []
    return [f"without labels that are classes f may be {largest:g}; models beyond {usual:g} have lost accuracy"]
