"""The page: its head, its sections in order, and what they take from files of the package."""

from __future__ import annotations

import os
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Final

from onnxdc.errors import ModelError
from onnxdc.model_io.atomic import replacing
from onnxdc.page.again import again_section
from onnxdc.page.curve import tuning_section
from onnxdc.page.energy import energy_section
from onnxdc.page.file import parts_section, stages_section
from onnxdc.page.markup import Markup, joined, tag
from onnxdc.page.numbers import bytes_text
from onnxdc.page.tiles import tiles
from onnxdc.page.weights import weights_section
from onnxdc.report.overview import Overview
from onnxdc.report.printable import Printable

# What a browser may load for the page: nothing but what is in it.
_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'"
_SECTIONS: Final = (stages_section, parts_section, weights_section, tuning_section, energy_section, again_section)


@dataclass(frozen=True, repr=False)
class Page(Printable):
    """A page about a compressed file.

    Attributes:
        overview: What it shows.
    """

    overview: Overview

    @property
    def html(self) -> str:
        """The page as HTML: one file that loads nothing, light or dark as the reader likes it, and printable."""
        return f"<!DOCTYPE html>\n{tag('html', _head(self.overview), _body(self.overview), lang='en')}\n"

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the page, all of it or nothing.

        Raises:
            ModelError: ``path`` cannot be written.
        """
        try:
            with replacing(Path(path)) as file:
                file.write(self.html.encode())
        except OSError as error:
            raise ModelError(f"{os.fspath(path)}: cannot write: {error.strerror or error}") from error

    def _repr_html_(self) -> str:
        """Return the page in a frame, for notebooks: its style stays its own."""
        return str(tag("iframe", srcdoc=self.html, width="100%", height=900, style="border:0", sandbox="allow-scripts"))

    def to_dict(self) -> dict[str, object]:
        """Return what it shows."""
        return self.overview.to_dict()

    def brief(self) -> str:
        """Return the gist of what it shows."""
        return self.overview.brief()

    def __str__(self) -> str:
        """Return the gist of what it shows, as text."""
        return str(self.overview)


def _head(overview: Overview) -> Markup:
    return tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", f"{overview.name}: what compression did"),
        tag("style", _file("style.css")),
    )


def _body(overview: Overview) -> Markup:
    original = overview.original_bytes
    origin = f", made of {overview.original}, {bytes_text(original)}" if original is not None else ""
    made = f"Made by onnxdc {overview.made_by}. " if overview.made_by else ""
    header = tag("header", tag("h1", overview.name), tag("p", f"{bytes_text(overview.nbytes)}{origin}"))
    sections = [section(overview) for section in _SECTIONS]
    notes = [tag("p", f"Left out: {note}") for note in overview.notes]
    footer = tag("footer", *notes, tag("p", f"{made}Bytes are decimal: 1 MB is 1,000,000 bytes."))
    return tag("body", tag("main", header, tiles(overview), *sections, footer), tag("script", _file("sort.js")))


def _file(name: str) -> Markup:
    """Return a file of this package, which holds nothing that would end the element around it."""
    return joined(Markup(resources.files(__package__ or "").joinpath(name).read_text(encoding="utf-8")))
