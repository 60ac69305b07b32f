r"""How texts out of files are shown: in one line, without what a terminal would obey, and not too long.

>>> shown("fc1.weight")
'fc1.weight'
>>> print(shown("w\x1b[2J\nonnxdc: error: \u202egnp"))
w\x1b[2J\nonnxdc: error: \u202egnp
>>> shown("a" * 1000, most=20)
'aaaaaaaaa...aaaaaaaa'
"""

from __future__ import annotations

from typing import Final

NAME_LENGTH: Final = 120  # of characters, a choice: longer than the names that exporters write, shorter than two lines
MESSAGE_LENGTH: Final = 1000  # for a path, a name and what is wrong with it


def shown(text: object, most: int = NAME_LENGTH) -> str:
    """Return a text with everything escaped that is not printable, and its middle left out where it is too long.

    Not printable are control characters, line ends, marks that turn the direction of writing, and lone surrogates.
    """
    # Shortened before, as a name may have 100 MB, and after, as an escaped character is up to ten others.
    return _shortened(escaped(_shortened(str(text), most)), most)


def escaped(text: str) -> str:
    """Return a text with everything escaped that is not printable."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)


def _shortened(text: str, most: int) -> str:
    if len(text) <= most:
        return text
    end = (most - 3) // 2
    return f"{text[: most - 3 - end]}...{text[-end:]}"
