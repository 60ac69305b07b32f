"""A TOML file that remembers the lines of its keys, so that an error can name them."""

from __future__ import annotations

import os
import re
import stat
import tomllib
from pathlib import Path
from typing import Any, Final

from onnxdc.errors import RecipeError
from onnxdc.shown import shown

_MOST_BYTES: Final = 2**20  # a recipe for each of ten thousand weights takes less
_MOST_DOTS: Final = 100  # in a line: what tomllib takes for a dotted key grows with the square of its dots
_HEADER_NAME: Final = re.compile(r"[\w.\-\"' ]+")
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
        text = _read(path, self.name)
        for number, content in enumerate(text.split("\n"), start=1):
            if content.count(".") > _MOST_DOTS:
                raise RecipeError(f"{self.name}:{number}: expected at most {_MOST_DOTS} dots, got {content.count('.')}")
        try:
            self.data: dict[str, Any] = tomllib.loads(text)
        except (ValueError, RecursionError) as error:  # of TOML, of a number too long, of brackets too deep
            position = re.search(r" \(at line (\d+), column \d+\)| \(at end of document\)", str(error))
            line = position[1] if position and position[1] else len(text.splitlines())
            message = str(error).removesuffix(position[0] if position else "")
            raise RecipeError(f"{self.name}:{line}: not TOML: {shown(message)}") from error
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


def _read(path: str | Path, name: str) -> str:
    """Return the text of a file of bounded size."""
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise RecipeError(f"{name}: cannot be read: not a regular file")
        with open(path, "rb") as file:
            content = file.read(_MOST_BYTES + 1)
        if len(content) > _MOST_BYTES:
            raise RecipeError(f"{name}: cannot be read: expected at most {_MOST_BYTES} bytes, got more")
        return content.decode()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise RecipeError(f"{name}: cannot be read: {reason}") from error


def _header(line: str) -> str | None:
    """Return the name in a line that heads a table, None for any other line."""
    text = line.partition("#")[0].strip()
    name = text.strip("[]").strip()
    is_header = text.startswith("[") and text.endswith("]") and _HEADER_NAME.fullmatch(name)
    return name.strip("\"' ") if is_header else None


def _find_lines(text: str) -> dict[tuple[str, int, str], int]:
    """Find the lines of keys: (table, number of the table, key) -> line, counted from 1.

    Good for messages: it does not parse inline tables.
    """
    lines: dict[tuple[str, int, str], int] = {}
    counts: dict[str, int] = {}
    table, number = "", 0
    for line, content in enumerate(text.splitlines(), start=1):
        if header := _header(content):
            table = header
            number = counts.get(table, 0)
            counts[table] = number + 1
            lines[table, number, ""] = line
        elif key := _KEY.match(content):
            lines.setdefault((table, number, key[1]), line)
    return lines
