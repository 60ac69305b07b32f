"""What a caller wants of a compressed model, beyond what its recipe says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from onnxdc.budget.dataset import Data
from onnxdc.domain.limits import Limit, parse_size
from onnxdc.domain.target_size import TargetSize, target_bytes
from onnxdc.errors import OptionError, OptionName
from onnxdc.evaluate.metrics import Metric, ScoreFunction, metric_of

MetricName: TypeAlias = str | ScoreFunction


@dataclass(frozen=True, kw_only=True)
class Wish:
    """Data and budgets.

    Attributes:
        data: Inputs to calibrate on.
        val: Inputs to judge by, with labels if the metric needs them.
        target_size: The size that the file may have.
        max_drop: By how much the metric may drop, in its unit.
        metric: The metric: ``"top1"``, ``"cosine"``, ``"spearman"``, ``"f"``, or a function of outputs and labels.
            Without one it is top1 if ``val`` has labels, else f.
        memory: The bytes that calibration may take.
        mask_input: The input of the model that is zero at padded positions.
        strict: Whether a divergence that is beyond what is usual is an error.
        int8: Whether layers are to run on integers.

    Raises:
        OptionError: Two of them do not go together, or one is out of its range.
    """

    data: Data | None = None
    val: Data | None = None
    target_size: TargetSize | None = None
    max_drop: float | None = None
    metric: MetricName | None = None
    memory: Limit | None = None
    mask_input: str | None = None
    strict: bool = False
    int8: bool = False

    def __post_init__(self) -> None:
        if self.max_drop is not None and not 0 < self.max_drop < float("inf"):
            raise OptionError(OptionName("max_drop"), f": expected a number above 0, got {self.max_drop}")
        if self.target_size is not None and self.max_drop is not None:
            raise OptionError("expected one budget, got ", OptionName("target_size"), " and ", OptionName("max_drop"))
        self._require("max_drop", self.val, "val")
        self._require("val", self.max_drop, "max_drop")
        self._require("metric", self.max_drop, "max_drop")
        for name in ("memory", "mask_input"):
            self._require(name, self.data, "data")
        if self.strict:
            self._require("strict", self.data, "data")
        if self.metric is not None:
            metric_of(self.metric)
        if self.memory is not None:
            parse_size(self.memory, "memory")
        if self.target_size is not None:
            target_bytes(self.target_size, 0)  # refuses what is no size before anything is computed

    def _require(self, name: str, other: object, needed: str) -> None:
        if getattr(self, name) is not None and other is None:
            raise OptionError(OptionName(name), " needs ", OptionName(needed))

    @property
    def is_any(self) -> bool:
        """Whether anything is wished for."""
        return self.int8 or any(wish is not None for wish in (self.data, self.target_size, self.max_drop))

    @property
    def memory_bytes(self) -> int | None:
        """The bytes that calibration may take; None for the usual part of the machine's."""
        return None if self.memory is None else parse_size(self.memory, "memory")

    def metric_for(self, has_classes: bool) -> Metric | None:
        """Return the metric; None for f.

        Args:
            has_classes: Whether the data to judge by have labels that are classes.
        """
        return metric_for(self.metric, has_classes)


def metric_for(metric: MetricName | None, has_classes: bool) -> Metric | None:
    """Return a metric, or the one that is usual; None for f.

    Args:
        metric: The metric that was asked for, if any.
        has_classes: Whether the data to judge by have labels that are classes.
    """
    if metric is not None:
        return metric_of(metric)
    return metric_of("top1") if has_classes else None
