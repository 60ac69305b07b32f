"""The section on what the model loses at which size, and on what each weight matters, as ``tune`` has measured it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Final

from onnxdc.page.charts import Axis, bar, curve
from onnxdc.page.file import section
from onnxdc.page.markup import Markup, breakable, joined, sentence, tag
from onnxdc.page.numbers import bytes_text
from onnxdc.report.overview import Overview
from onnxdc.report.tuning import TunedWeight, Tuning

_WIDE: Final = 6  # a choice: sizes further apart lie along a logarithm
_SHOWN: Final = 24  # weights, a choice; the others can be opened


def tuning_section(overview: Overview) -> Markup | None:
    """Return the curve and the weights; None without a file of ``tune``."""
    tuning = overview.tuning
    if tuning is None or len(tuning.points) < 2:
        return None
    what = tuning.metric or "divergence f"
    lead = f"Measured by onnxdc tune on {tuning.judged_by}; each point has a recipe that makes its file."
    content = [_chart(tuning), _table(tuning.point_table())]
    if any(weight.ratio for weight in tuning.weights):
        content.append(_importance(tuning))
    return section(f"{sentence(what)} against size", lead, *content)


def _chart(tuning: Tuning) -> Markup | None:
    """Return the curve: the score by the metric, else the logarithm of f, over the bytes."""
    scores = [point.score if tuning.metric else point.divergence for point in tuning.points]
    known = [
        (point, score)
        for point, score in zip(tuning.points, scores, strict=True)
        if score is not None and (tuning.metric or score > 0)
    ]
    if len(known) < 2:
        return None
    title = f"{tuning.metric} ({tuning.unit})" if tuning.unit else tuning.metric or "divergence f"
    sizes, values = [float(point.nbytes) for point, _ in known], [score for _, score in known]
    x = _axis("bytes of the file", sizes, bytes_text, is_log=max(sizes) > _WIDE * min(sizes))
    y = _axis(title, values, lambda value: f"{value:.4g}", is_log=not tuning.metric)
    labels = [f"{bytes_text(point.nbytes)}, {point.ratio:.1f}x: {score:.4g}" for point, score in known]
    return joined(tag("p", title, class_="sub"), curve(x, y, labels))


def _axis(title: str, numbers: Sequence[float], text: Callable[[float], str], *, is_log: bool) -> Axis:
    scale = _Scale(numbers, is_log=is_log)
    return Axis(title, [scale.at(number) for number in numbers], [(scale.at(at), text(at)) for at in scale.ticks])


class _Scale:
    """Where numbers lie along an axis, from 0 to 1, with ticks at round ones."""

    def __init__(self, numbers: Sequence[float], *, is_log: bool) -> None:
        self._is_log = is_log
        low, high = min(map(self._moved, numbers)), max(map(self._moved, numbers))
        room = 0.06 * (high - low) or 0.5
        self._low, self._high = low - room, high + room
        self.ticks = [number for number in self._round() if self._low <= self._moved(number) <= self._high]

    def at(self, number: float) -> float:
        """Return where a number lies."""
        return (self._moved(number) - self._low) / (self._high - self._low)

    def _moved(self, number: float) -> float:
        return math.log10(number) if self._is_log else number

    def _round(self) -> list[float]:
        if self._is_log:
            decades = range(math.floor(self._low), math.ceil(self._high) + 1)
            mantissas = (1, 2, 5) if self._high - self._low < 2.5 else (1,)
            return [float(mantissa * 10.0**decade) for decade in decades for mantissa in mantissas]
        step = 10 ** math.floor(math.log10(self._high - self._low))
        step = next(step * part for part in (0.2, 0.5, 1, 2) if (self._high - self._low) / (step * part) <= 6)
        first = math.ceil(self._low / step)
        return [step * number for number in range(first, math.floor(self._high / step) + 1)]


def _table(rows: Sequence[Sequence[str]]) -> Markup:
    """Return rows of text, a header first, as a table: numbers to the right but for those in the first column."""
    header, *lines = rows
    classes = [None if not number or name == "recipe" else "n" for number, name in enumerate(header)]
    head = tag("tr", *(tag("th", text, scope="col", class_=kind) for text, kind in zip(header, classes, strict=True)))
    body = [
        tag("tr", *(tag("td", text, class_=kind) for text, kind in zip(line, classes, strict=True))) for line in lines
    ]
    table = tag("table", tag("thead", head), tag("tbody", *body), class_="plain")
    return tag("div", table, class_="scroll", tabindex=0, role="region", aria_label="Points of the curve")


def _importance(tuning: Tuning) -> Markup:
    """Return how much each weight matters: the divergence for an error as large as its signal."""
    weights = [weight for weight in tuning.weights if weight.ratio]
    most = max(weight.ratio or 0.0 for weight in weights)
    rows = [_weight_row(weight, most) for weight in weights]
    heads = [tag("th", "Weight", scope="col"), tag("td"), tag("th", "f", scope="col", class_="n")]

    def table(part: Sequence[Markup]) -> Markup:
        return tag("table", tag("thead", tag("tr", *heads)), tag("tbody", *part), class_="plain")

    rest = rows[_SHOWN:]
    more = tag("details", tag("summary", f"{len(rest)} more"), table(rest)) if rest else None
    lead = "The divergence f that an error as large as the weight's whole contribution would cause, by its slope."
    return joined(tag("h3", "Importance of each weight"), tag("p", lead, class_="lead"), table(rows[:_SHOWN]), more)


def _weight_row(weight: TunedWeight, most: float) -> Markup:
    ratio = weight.ratio or 0.0
    drawn = tag("td", bar((0, ratio / most, "now"), height=8), class_="wide")
    return tag(
        "tr",
        tag("th", breakable(weight.name), scope="row", class_="name"),
        drawn,
        tag("td", f"{ratio:.3g}", class_="n"),
    )
