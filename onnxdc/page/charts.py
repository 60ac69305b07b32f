"""Small drawings as inline SVG. What a drawing shows also stands beside it as text, so most are hidden from readers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from onnxdc.page.markup import Attribute, Markup, joined, tag

_WIDE: Final = 1000  # units of a bar that is as wide as its place
_HEIGHT: Final = 20  # units of a histogram
_LEFT, _TOP, _ACROSS, _UP = 64, 16, 760, 240  # pixels of a chart: where it begins, and how far it goes


def bar(*pieces: tuple[float, float, str], height: int = 10) -> Markup:
    """Return a horizontal bar.

    Args:
        pieces: Where each piece begins and ends, as shares of the width, and its class.
        height: Its height in pixels.
    """
    drawn = [
        tag("rect", x=round(_WIDE * start, 1), width=round(max(_WIDE * (end - start), 1.5), 1), height=1, class_=kind)
        for start, end, kind in pieces
        if end > start
    ]
    box: dict[str, Attribute] = {
        "viewBox": f"0 0 {_WIDE} 1",
        "preserveAspectRatio": "none",
        "height": height,
        "width": "100%",
    }
    return tag("svg", *drawn, class_="bar", aria_hidden="true", **box)


def spread(before: Sequence[int], after: Sequence[int], label: str) -> Markup:
    """Return two histograms of the same bins, one over the other, each as high as its place.

    Args:
        before: The counts behind; may be empty.
        after: The counts in front.
        label: What it shows, for readers.
    """
    bins = len(after)
    box: dict[str, Attribute] = {"viewBox": f"0 0 {bins} {_HEIGHT}", "preserveAspectRatio": "none"}
    drawn = [_steps(counts, kind) for counts, kind in ((before, "then"), (after, "now")) if any(counts)]
    return tag("svg", *drawn, class_="spread", role="img", aria_label=label, **box)


def _steps(counts: Sequence[int], kind: str) -> Markup:
    """Return an outline of counts; their roots are drawn, as one value may be by far the most."""
    most = max(counts) ** 0.5
    heights = [round(_HEIGHT * (1 - count**0.5 / most), 1) for count in counts]
    path = f"M0 {_HEIGHT}" + "".join(f"V{height:g}h1" for height in heights) + f"V{_HEIGHT}z"
    return tag("path", d=path, class_=kind)


@dataclass(frozen=True)
class Axis:
    """An axis of a chart, along which places go from 0 to 1.

    Attributes:
        title: What it is of, in words.
        places: Where each point lies.
        ticks: Where ticks lie, with their texts.
    """

    title: str
    places: Sequence[float]
    ticks: Sequence[tuple[float, str]]


def curve(x: Axis, y: Axis, labels: Sequence[str]) -> Markup:
    """Return a line through points.

    Args:
        x: The axis from left to right.
        y: The axis from bottom to top.
        labels: What each point says when it is pointed at.
    """
    grid = [
        joined(
            tag("line", x1=_LEFT, x2=_across(1), y1=_up(at), y2=_up(at), class_="grid"),
            tag("text", text, x=_LEFT - 10, y=_up(at) + 4, text_anchor="end"),
        )
        for at, text in y.ticks
    ]
    below = [tag("text", text, x=_across(at), y=_up(0) + 20, text_anchor="middle") for at, text in x.ticks]
    below.append(tag("text", x.title, x=_across(1), y=_up(0) + 40, text_anchor="end"))
    places = [(_across(a), _up(b)) for a, b in zip(x.places, y.places, strict=True)]
    line = tag("polyline", points=" ".join(f"{a:g},{b:g}" for a, b in places), class_="curve")
    dots = [
        tag("circle", tag("title", label), cx=a, cy=b, r=4, class_="dot")
        for (a, b), label in zip(places, labels, strict=True)
    ]
    said = f"{y.title} against {x.title}; the table below has the numbers"
    box: dict[str, Attribute] = {"viewBox": f"0 0 {_across(1) + 16:g} {_up(0) + 44:g}"}
    return tag("svg", *grid, *below, line, *dots, class_="chart", role="img", aria_label=said, **box)


def _across(place: float) -> float:
    return round(_LEFT + _ACROSS * place, 1)


def _up(place: float) -> float:
    return round(_TOP + _UP * (1 - place), 1)
