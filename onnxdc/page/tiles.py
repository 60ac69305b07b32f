"""The three figures at the top: how much smaller, how much faster, and what of the accuracy is left."""

from __future__ import annotations

from onnxdc.page.markup import Markup, tag
from onnxdc.page.numbers import bytes_text, seconds_text, times_text
from onnxdc.report.overview import Overview, Speed


def tiles(overview: Overview) -> Markup:
    """Return the figures that there is a source for."""
    found = [_smaller(overview), *([_speed(overview.speed)] if overview.speed else []), _accuracy(overview)]
    return tag("dl", *(tile for tile in found if tile is not None), class_="tiles")


def _tile(name: str, figure: str, sub: str) -> Markup:
    said = [tag("dt", name), tag("dd", figure, class_="figure"), tag("dd", sub, class_="sub")]
    return tag("div", *said, class_="tile")


def _smaller(overview: Overview) -> Markup | None:
    if not overview.stages or not overview.nbytes:
        return None
    before = overview.stages[0]
    figure = times_text(before.nbytes / overview.nbytes)
    return _tile("Smaller", figure, f"{bytes_text(before.nbytes)} ({before.name}) to {bytes_text(overview.nbytes)}")


def _speed(speed: Speed) -> Markup:
    gain = speed.before / speed.after
    sub = f"{seconds_text(speed.before)} to {seconds_text(speed.after)} a run"
    how = {"native": ", by the native library", "portable": ", by the portable functions"}.get(speed.ran, "")
    name, ratio = ("Faster", gain) if gain >= 1 else ("Slower", 1 / gain)
    return _tile(name, times_text(ratio), f"{sub}{how}, measured on this machine in turns")


def _accuracy(overview: Overview) -> Markup | None:
    """Return what was measured with labels, else what the file says, else the divergence on inputs of this run."""
    found, held = overview.verification, overview.held
    if found is not None and len(found.accuracies) > 1:
        before, after = found.accuracies[0], found.accuracies[1]
        sub = f"top-1, before {_percent(before.top1)}; top-5 {_percent(before.top5)} to {_percent(after.top5)}"
        return _tile("Accuracy", _percent(after.top1), f"{sub}, on {found.items:,} items")
    if found is not None and found.inputs == "given" and found.comparisons:
        return _divergence(found.comparisons[0].divergence, f"on {found.items:,} given items")
    if {"metric", "before", "after"} <= held.keys():
        sub = f"{held['metric']}, before {held['before']:.4g}: what the file says of the data that it was judged by"
        return _tile("Accuracy", f"{held['after']:.4g}", sub)
    if "divergence" in held:
        return _divergence(held["divergence"], f"on {held.get('held_back', '?')} items held back, as the file says")
    if found is not None and found.comparisons:
        return _divergence(found.comparisons[0].divergence, "on made-up inputs, which say little")
    return None


def _percent(share: float) -> str:
    return f"{100 * share:.2f} %"


def _divergence(f: float, where: str) -> Markup:
    return _tile("Divergence", f"{f:.2g}", f"f of the outputs {where}; 0 is the same")
