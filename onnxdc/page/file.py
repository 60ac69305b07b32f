"""Two sections on the file as a whole: its bytes after each stage, and what they are."""

from __future__ import annotations

from typing import Final

from onnxdc.page.charts import bar
from onnxdc.page.markup import Markup, joined, sentence, tag
from onnxdc.page.numbers import bytes_text, percent_text
from onnxdc.report.overview import Overview

_MINUS: Final = "\u2212"
_NUMBERS: Final = frozenset({"Change", "Left", "Bytes", "Share"})


def section(heading: str, lead: str, *content: Markup | None) -> Markup:
    """Return a section with its heading."""
    return tag("section", tag("h2", heading), tag("p", lead, class_="lead"), *content)


def stages_section(overview: Overview) -> Markup | None:
    """Return the bytes by stage, as a waterfall."""
    stages = overview.stages
    if not stages:
        return None
    most = max(stage.nbytes for stage in stages)
    rows = []
    for number, stage in enumerate(stages):
        is_end = number in (0, len(stages) - 1)
        left, before = stage.nbytes / most, stages[max(0, number - 1)].nbytes / most
        if is_end:
            drawn = bar((0, left, "now"), height=14)
        else:
            drawn = bar((0, min(left, before), "left"), (left, before, "then"), (before, left, "more"), height=14)
        change = "" if is_end else _signed(stage.nbytes - stages[number - 1].nbytes)
        cells = [tag("th", sentence(stage.name), scope="row"), tag("td", drawn, class_="wide")]
        numbers = [tag("td", text, class_="n") for text in (change, bytes_text(stage.nbytes))]
        rows.append(tag("tr", *cells, *numbers, class_="sum" if is_end else None))
    lead = "What each stage leaves: grey is what it takes away, orange what it adds."
    return section("Bytes by stage", lead, _table(("Stage", "", "Change", "Left"), rows))


def parts_section(overview: Overview) -> Markup | None:
    """Return what the bytes of the file are."""
    if not overview.parts:
        return None
    total = sum(part.nbytes for part in overview.parts)
    pieces, rows, start = [], [], 0
    for number, part in enumerate(overview.parts):
        pieces.append((start / total, (start + part.nbytes) / total, f"p{number}"))
        start += part.nbytes
        name = joined(tag("span", class_=f"key p{number}"), sentence(part.name))
        cells = [tag("td", text, class_="n") for text in (bytes_text(part.nbytes), percent_text(part.nbytes / total))]
        rows.append(tag("tr", tag("th", name, scope="row"), *cells))
    stack = tag("div", bar(*pieces, height=28), class_="stack")
    lead = "Portable functions hardly grow with the model: they let the file run where nothing of ours is installed."
    return section("What the file is made of", lead, stack, _table(("Part", "Bytes", "Share"), rows))


def _signed(change: int) -> str:
    sign = "+" if change > 0 else _MINUS
    return f"{sign}{bytes_text(abs(change))}"


def _table(headers: tuple[str, ...], rows: list[Markup]) -> Markup:
    cells = [
        tag("th", header, scope="col", class_="n") if header in _NUMBERS else tag("th" if header else "td", header)
        for header in headers
    ]
    return tag("table", tag("thead", tag("tr", *cells)), tag("tbody", *rows), class_="plain")
