"""The section with a row for each weight, which a reader can sort."""

from __future__ import annotations

from typing import Final

from onnxdc.page.charts import bar, spread
from onnxdc.page.file import section
from onnxdc.page.markup import Attribute, Child, Markup, breakable, joined, tag
from onnxdc.page.numbers import bytes_text, percent_text, seconds_text, times_text
from onnxdc.report.overview import Overview, SeenWeight

_COLUMNS: Final = (
    ("Weight", "ascending"),
    ("Bytes", "descending"),
    ("Smaller", "descending"),
    ("Nonzero", "ascending"),
    ("Bits an element", "descending"),
    ("Values", ""),
    ("Change", "descending"),
    ("Runs", "ascending"),
    ("Time", "descending"),
)


def weights_section(overview: Overview) -> Markup | None:
    """Return the table of the weights."""
    if not overview.weights:
        return None
    most = max(_before(weight) for weight in overview.weights)
    rows = [_row(weight, most) for weight in overview.weights]
    shown = [any(row[number] is not None for row in rows) for number in range(len(_COLUMNS))]
    heads = [_head(*column) for column, is_shown in zip(_COLUMNS, shown, strict=True) if is_shown]
    body = [
        tag("tr", *(cell or tag("td") for cell, is_shown in zip(row, shown, strict=True) if is_shown)) for row in rows
    ]
    table = tag("table", tag("thead", tag("tr", *heads)), tag("tbody", *body), class_="weights sortable")
    key = tag("p", tag("span", _key("then"), "original"), tag("span", _key("now"), "this file"), class_="legend")
    scroll = tag("div", table, class_="scroll", tabindex=0, role="region", aria_label="Weights")
    return section("Weights", _lead(overview), key, scroll)


def _lead(overview: Overview) -> str:
    count = len(overview.weights)
    said = (
        f"{count} weight{'s' if count != 1 else ''}. Beside the bits that an element takes are those of an ideal code"
    )
    said += " of its single values. Curves show nonzeros, the height is the root of how many there are."
    if any(weight.change is not None for weight in overview.weights):
        said += " Change is the root mean square of the difference over that of the original."
    if any(weight.seconds_after is not None for weight in overview.weights):
        said += " Times are those of the weight's layers, as onnxruntime measures them, the least of several runs."
    return said


def _row(weight: SeenWeight, most: int) -> tuple[Markup | None, ...]:
    row = weight.row
    before = _before(weight)
    shape = "\u00d7".join(map(str, row.shape)) or "scalar"
    told = " \u00b7 ".join(filter(None, (row.kind, shape, "" if row.dtype == "float" else row.dtype)))
    name = tag("th", breakable(row.label), _sub(told), scope="row", class_="name", data_key=row.label)
    sizes = f"{bytes_text(before)} to {bytes_text(row.stored_bytes)}"
    drawn = bar((0, row.stored_bytes / most, "now"), (row.stored_bytes / most, before / most, "then"), height=6)
    return (
        name,
        _cell(sizes, drawn, key=row.stored_bytes, class_="size nowrap"),
        _cell(times_text(before / row.stored_bytes) if row.stored_bytes else "", key=_ratio(weight), class_="n"),
        _cell(percent_text(row.density), key=row.density, class_="n"),
        _bits(weight),
        _values(weight),
        None if weight.change is None else _cell(percent_text(weight.change), key=weight.change, class_="n"),
        _runs(weight),
        _times(weight),
    )


def _bits(weight: SeenWeight) -> Markup:
    stored, ideal = weight.stored_bits, weight.entropy
    if ideal is None:
        return _cell(f"{stored:.2f}", key=stored, class_="bits")
    widest = max(stored, ideal, 1e-9)
    drawn = bar((0, ideal / widest, "now"), (ideal / widest, stored / widest, "then"), height=6)
    return _cell(
        f"{stored:.2f} ", tag("span", f"ideal {ideal:.2f}", class_="sub nowrap"), drawn, key=stored, class_="bits"
    )


def _values(weight: SeenWeight) -> Markup | None:
    found = weight.histogram
    if found is None:
        return None
    label = f"nonzeros from {-found.reach:.3g} to {found.reach:.3g}"
    return tag("td", spread(found.before, found.after, label), _sub(f"\u00b1{found.reach:.3g}"))


def _runs(weight: SeenWeight) -> Markup | None:
    row = weight.row
    how = " + ".join(filter(None, (row.execution, row.fused)))
    if row.is_integer:
        how = "on integers" if row.reader and "DequantizeLinear" not in row.reader else row.reader or how
    if not how and not weight.reason:
        return None
    return _cell(how or "not encoded", _sub(weight.reason) if weight.reason else None, key=how, class_="why")


def _times(weight: SeenWeight) -> Markup | None:
    before, after = weight.seconds_before, weight.seconds_after
    if after is None:
        return None
    text = seconds_text(after) if before is None else f"{seconds_text(before)} to {seconds_text(after)}"
    faster = f"{times_text(before / after)} as fast" if before and after else ""
    return _cell(text, _sub(faster) if faster else None, key=after, class_="nowrap")


def _before(weight: SeenWeight) -> int:
    return weight.row.dense_bytes if weight.before_bytes is None else weight.before_bytes


def _ratio(weight: SeenWeight) -> float:
    return _before(weight) / weight.row.stored_bytes if weight.row.stored_bytes else 0.0


def _cell(*children: Child, key: Attribute, class_: str) -> Markup:
    return tag("td", *children, class_=class_, data_key=key)


def _sub(text: str) -> Markup:
    return joined(tag("div", text, class_="sub"))


def _key(kind: str) -> Markup:
    return tag("span", class_=f"key {kind}")


def _head(name: str, first: str) -> Markup:
    class_ = "n" if name in ("Smaller", "Nonzero", "Change") else None
    content: Child = tag("button", name, type="button") if first else name
    return tag("th", content, scope="col", class_=class_, data_first=first or None)
