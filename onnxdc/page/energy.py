"""The section on energy, by the account of the paper."""

from __future__ import annotations

from onnxdc.numeric.joules import ADD, DRAM, MULTIPLY, SRAM
from onnxdc.page.charts import bar
from onnxdc.page.file import section
from onnxdc.page.markup import Markup, joined, sentence, tag
from onnxdc.page.numbers import joules_text, times_text
from onnxdc.report.overview import Energy, EnergyUse, Overview


def energy_section(overview: Overview) -> Markup | None:
    """Return what a run takes; None where the model could not be run."""
    energy = overview.energy
    if energy is None:
        return None
    whole = _all(energy.uses[0])
    rows = [_row(use, whole) for use in energy.uses]
    names = ("Energy of a run", "", "Fetching", "Computing", "Less")
    heads = [tag("th" if name else "td", name, class_="n" if name in names[2:] else None) for name in names]
    table = tag("table", tag("thead", tag("tr", *heads)), tag("tbody", *rows), class_="plain")
    key = tag(
        "p", tag("span", _key("now"), "fetching weights"), tag("span", _key("more"), "computing"), class_="legend"
    )
    return section("Energy", _lead(energy), key, table, *_remarks(energy))


def _lead(energy: Energy) -> str:
    return (
        f"An account, not a measurement: the paper's figures for a chip of 45 nm, {DRAM:.0f} pJ for a word of 32 bits "
        f"from DRAM, {SRAM:.0f} pJ from SRAM, {ADD} pJ for a float addition and {MULTIPLY} pJ for a multiplication. "
        f"Each weight is fetched once in a run of {energy.inputs}, {energy.products:,} products."
    )


def _row(use: EnergyUse, whole: float) -> Markup:
    fetched, computed = use.fetching / whole, (use.computing or 0.0) / whole
    drawn = bar((0, fetched, "now"), (fetched, fetched + computed, "more"), height=14)
    computing = "not counted" if use.computing is None else joules_text(use.computing)
    less = "" if _all(use) == whole or use.computing is None else times_text(whole / _all(use))
    numbers = [tag("td", text, class_="n") for text in (joules_text(use.fetching), computing, less)]
    return tag("tr", tag("th", sentence(use.name), scope="row"), tag("td", drawn, class_="wide"), *numbers)


def _remarks(energy: Energy) -> list[Markup]:
    said = []
    if any(use.computing is None for use in energy.uses):
        said.append("The account has no figure for integers, so what they compute is not counted.")
    if energy.not_counted:
        said.append(
            f"The products of {energy.not_counted} weights, such as those of recurrent layers, are not counted."
        )
    return [tag("p", line, class_="sub") for line in said]


def _all(use: EnergyUse) -> float:
    return use.fetching + (use.computing or 0.0)


def _key(kind: str) -> Markup:
    return joined(tag("span", class_=f"key {kind}"))
