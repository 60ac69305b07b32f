"""Numbers with units, in as few digits as say something.

>>> bytes_text(860), bytes_text(31_121), bytes_text(90_400_000)
('860 B', '31.1 KB', '90.4 MB')
>>> seconds_text(1.8e-05), seconds_text(0.25), joules_text(1.7e8)
('18 \u03bcs', '250 ms', '170 \u03bcJ')
"""

from __future__ import annotations

from typing import Final

_BYTES: Final = ("B", "KB", "MB", "GB", "TB")
_SECONDS: Final = ("ns", "\u03bcs", "ms", "s")
_JOULES: Final = ("pJ", "nJ", "\u03bcJ", "mJ", "J")


def bytes_text(nbytes: float) -> str:
    """Return bytes in decimal units."""
    return _scaled(nbytes, _BYTES)


def seconds_text(seconds: float) -> str:
    """Return seconds in a unit that fits."""
    return _scaled(seconds * 1e9, _SECONDS)


def joules_text(picojoules: float) -> str:
    """Return picojoules in a unit that fits."""
    return _scaled(picojoules, _JOULES)


def times_text(ratio: float) -> str:
    """Return a ratio such as ``34.3\u00d7``."""
    return f"{ratio:.0f}\u00d7" if ratio >= 99.5 else f"{ratio:.1f}\u00d7"


def percent_text(share: float) -> str:
    """Return a share in per cent, with a digit after the point below ten."""
    percent = 100 * share
    return f"{percent:.0f} %" if percent >= 9.95 or percent == 0 else f"{percent:.1f} %"


def _scaled(number: float, units: tuple[str, ...]) -> str:
    unit = 0
    while abs(number) >= 999.5 and unit < len(units) - 1:
        number, unit = number / 1000, unit + 1
    return f"{number:.3g} {units[unit]}" if unit else f"{number:.0f} {units[0]}"
