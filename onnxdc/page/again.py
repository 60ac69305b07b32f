"""The section on how to get the file again."""

from __future__ import annotations

from onnxdc.page.file import section
from onnxdc.page.markup import Markup, tag
from onnxdc.report.overview import Overview


def again_section(overview: Overview) -> Markup | None:
    """Return what to run; None where the file does not say how it was made."""
    again = overview.again
    if again is None:
        return None
    recipe = [tag("h3", "recipe.toml"), tag("pre", again.recipe)] if again.recipe else []
    remark = tag("p", again.remark, class_="sub") if again.remark else None
    lead = f"What the file says of how it was made, by onnxdc {overview.made_by}."
    return section("Get this file again", lead, tag("pre", again.command), remark, *recipe)
