"""A TOML file that remembers the lines of its keys, so that an error can name them."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any, Final

from onnxdc.errors import RecipeError

_HEADER: Final = re.compile(r"\s*\[{1,2}\s*([\w.\-\"' ]+?)\s*\]{1,2}\s*(#.*)?$")
_KEY: Final = re.compile(r"\s*[\"']?([\w\-]+)[\"']?\s*[=.]")


class TomlFile:
    """The parsed file.

    Attributes:
        name: The name of the file, without its folder.
        data: What ``tomllib`` makes of the text.

    Raises:
        RecipeError: The file cannot be read or is not TOML; with the line.
    """

    def __init__(self, path: str | Path) -> None:
        self.name = Path(path).name
        try:
            text = Path(path).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
            raise RecipeError(f"{self.name}: cannot be read: {reason}") from error
        try:
            self.data: dict[str, Any] = tomllib.loads(text)
        except (ValueError, RecursionError) as error:  # of TOML, of a number too long, of brackets too deep
            position = re.search(r" \(at line (\d+), column \d+\)| \(at end of document\)", str(error))
            line = position[1] if position and position[1] else len(text.splitlines())
            message = str(error).removesuffix(position[0] if position else "")
            raise RecipeError(f"{self.name}:{line}: not TOML: {message}") from error
        self._lines = _find_lines(text)

    def where(self, table: str = "", number: int = 0, key: str = "") -> str:
        """Return ``name:line`` of a key or a table, or of the table around it if it is on no line of its own.

        Args:
            table: The table's header; ``""`` is the top of the file.
            number: The number of the table among those of that header, counted from 0.
            key: A key of the table, itself maybe a table; ``""`` asks for the table as such.
        """
        for spot in ((table, number, key), (key, 0, ""), (table, number, ""), ("", 0, table)):
            if spot in self._lines:
                return f"{self.name}:{self._lines[spot]}"
        return self.name


def _find_lines(text: str) -> dict[tuple[str, int, str], int]:
    """Find the lines of keys: (table, number of the table, key) -> line, counted from 1.

    Good for messages: it does not parse inline tables.
    """
    lines: dict[tuple[str, int, str], int] = {}
    counts: dict[str, int] = {}
    table, number = "", 0
    for line, content in enumerate(text.splitlines(), start=1):
        if header := _HEADER.match(content):
            table = header[1].strip("\"' ")
            number = counts.get(table, 0)
            counts[table] = number + 1
            lines[table, number, ""] = line
        elif key := _KEY.match(content):
            lines.setdefault((table, number, key[1]), line)
    return lines
