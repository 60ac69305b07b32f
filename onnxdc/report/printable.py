"""How it is told what a verb did: as text, as plain values, as JSON."""

from __future__ import annotations

import html
import json
from abc import ABC, abstractmethod
from typing import Any


class Printable(ABC):
    """Something that can be printed and dumped; ``str`` gives all of it as text."""

    @abstractmethod
    def to_dict(self) -> dict[str, Any]:
        """Return everything as dictionaries, lists, texts and numbers, such as JSON has."""

    @abstractmethod
    def brief(self) -> str:
        """Return the gist in a few words, for ``repr``."""

    def to_json(self) -> str:
        """Return everything as JSON."""
        return json.dumps(self.to_dict(), indent=2)

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self.brief()}>"

    def _repr_html_(self) -> str:
        """Return all of it as text, for notebooks: its columns stay aligned, and no line is wrapped."""
        return f'<pre style="overflow-x: auto; white-space: pre">{html.escape(str(self))}</pre>'
