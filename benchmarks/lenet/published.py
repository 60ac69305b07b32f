"""What the paper says of its networks, and what ours have to reach."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

HEADINGS: Final = ("layer", "weights", "kept", "bits", "H", "index", "H", "P+Q", "P+Q+H")


@dataclass(frozen=True)
class Published:
    """What the paper says of a network.

    Attributes:
        error: The percentage of test images that it gets wrong, before and after.
        kilobytes: Its size, before and after.
        ratio: The ratio of the sizes.
        table: The number of its table, 2 or 3.
        layers: The cells of that table under HEADINGS, the total last.
    """

    error: tuple[float, float]
    kilobytes: tuple[int, int]
    ratio: int
    table: int
    layers: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Goal:
    """What a network must and should reach.

    Attributes:
        must: The ratio of the parameters that it must reach.
        aim: The ratio that it should reach.
        error: The percentage that the encoded network may get wrong; None for as many as its own reference.
    """

    must: float
    aim: float
    error: float | None = None


PUBLISHED: Final = {
    "LeNet-300-100": Published(
        (1.64, 1.58),
        (1070, 27),
        40,
        2,
        (
            ("ip1", "235K", "8 %", "6", "4.4", "5", "3.7", "3.1 %", "2.32 %"),
            ("ip2", "30K", "9 %", "6", "4.4", "5", "4.3", "3.8 %", "3.04 %"),
            ("ip3", "1K", "26 %", "6", "4.3", "5", "3.2", "15.7 %", "12.70 %"),
            ("total", "266K", "8 %", "6", "5.1", "5", "3.7", "3.1 %", "2.49 %"),
        ),
    ),
    "LeNet-5": Published(
        (0.80, 0.74),
        (1720, 44),
        39,
        3,
        (
            ("conv1", "0.5K", "66 %", "8", "7.2", "5", "1.5", "78.5 %", "67.45 %"),
            ("conv2", "25K", "12 %", "8", "7.2", "5", "3.9", "6.0 %", "5.28 %"),
            ("ip1", "400K", "8 %", "5", "4.5", "5", "4.5", "2.7 %", "2.45 %"),
            ("ip2", "5K", "19 %", "5", "5.2", "5", "3.7", "6.9 %", "6.13 %"),
            ("total", "431K", "8 %", "5.3", "4.1", "5", "4.4", "3.05 %", "2.55 %"),
        ),
    ),
}
GOALS: Final = {"LeNet-300-100": Goal(45, 100), "LeNet-5": Goal(60, 200, error=0.80)}
