r"""HTML as nested calls: whatever is a text is escaped, so that a name out of a file stays a name.

>>> str(tag("td", "a < b", class_="name", data_key=3))
'<td class="name" data-key="3">a &lt; b</td>'
>>> str(tag("p", "x", tag("br")))
'<p>x<br></p>'
"""

from __future__ import annotations

import html
import re
from typing import Final, TypeAlias

from onnxdc.shown import escaped

_VOID: Final = frozenset({"br", "col", "meta"})
_MARKS: Final = re.compile(r"(?<=[./:_-])")
_EMPTY: Final = frozenset({"path", "rect", "circle", "line"})  # of SVG, which close themselves


class Markup(str):
    """A text that is HTML already."""

    __slots__ = ()


Child: TypeAlias = "str | Markup | None"
Attribute: TypeAlias = "str | float | bool | None"


def tag(name: str, /, *children: Child, **attributes: Attribute) -> Markup:
    """Return an element.

    Args:
        name: Its name.
        children: What is in it; None is nothing.
        attributes: Its attributes, with underscores for dashes and ``class_`` for ``class``; True for one without a
            value, None and False for one that is not there.
    """
    said = "".join(_attribute(key.rstrip("_").replace("_", "-"), value) for key, value in attributes.items())
    if name in _EMPTY and not children:
        return Markup(f"<{name}{said}/>")
    content = joined(*children)
    return Markup(f"<{name}{said}>" if name in _VOID else f"<{name}{said}>{content}</{name}>")


def joined(*children: Child) -> Markup:
    """Return elements and texts one after the other."""
    return Markup("".join(map(_child, children)))


def breakable(name: str) -> Markup:
    """Return a name that may go on in another line after a mark in it.

    >>> str(breakable("conv1.weight"))
    'conv1.<wbr>weight'
    """
    return Markup("<wbr>".join(map(_child, _MARKS.split(name))))


def sentence(text: str) -> str:
    """Return a text with a capital letter first; the others stay as they are.

    >>> sentence("weights from DRAM")
    'Weights from DRAM'
    """
    return text[:1].upper() + text[1:]


def _child(child: Child) -> str:
    if child is None:
        return ""
    return child if isinstance(child, Markup) else html.escape(_shown(child), quote=False)


def _attribute(name: str, value: Attribute) -> str:
    if value is None or value is False:
        return ""
    if value is True:
        return f" {name}"
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return f' {name}="{html.escape(_shown(text))}"'


def _shown(text: str) -> str:
    """Return a text with what is not printable escaped, but for line ends."""
    return "\n".join(map(escaped, text.split("\n")))
