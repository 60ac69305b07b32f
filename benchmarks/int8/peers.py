"""What other tools make of a trained model in integers, and what ``compress --int8`` does."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

import onnxdc
from common.sessions import Feed
from int8.trained import Trained
from peers.int8 import dynamic, nncf, static

_ITEMS: Final = 100  # that other tools calibrate on, at most; more took their time and changed little


@dataclass(frozen=True)
class Way:
    """A way to put the layers of a model on integers.

    Attributes:
        name: What does it.
        write: Writes the file.
        package: The package that it takes, beyond onnxruntime.
        models: The models that it is tried on; all if empty.
    """

    name: str
    write: Callable[[Trained, Path], None] = field(repr=False)
    package: str = ""
    models: Sequence[str] = ()


SIZES: Final[Mapping[str, Sequence[str]]] = {
    "squeezenet": ("600KB", "540KB"),
    "resnet56": ("380KB", "330KB"),
    "minilm": ("10.5MB", "9MB"),
}


def all_ways(name: str) -> list[Way]:
    """Return the ways for a model, ours first."""
    ways = [
        *(Way(size, partial(_ours, size)) for size in SIZES[name]),
        Way("onnxruntime static", partial(_peer, static), models=("squeezenet", "resnet56")),
        Way("onnxruntime dynamic", partial(_peer, dynamic)),
        Way("NNCF", partial(_peer, nncf), package="nncf"),
    ]
    return [way for way in ways if not way.models or name in way.models]


def _ours(size: str, trained: Trained, path: Path) -> None:
    data = trained.items.calibration
    onnxdc.compress(trained.case.file, data=data, int8=True, target_size=size, strip=True).save(path)


def _peer(quantizer: Callable[[Path, Path, Sequence[Feed]], None], trained: Trained, path: Path) -> None:
    quantizer(trained.case.file, path, _first(trained.items.calibration))


def _first(feeds: Sequence[Feed]) -> list[Feed]:
    """Return the first feeds, up to so many items."""
    chosen: list[Feed] = []
    for feed in feeds:
        if sum(_count(each) for each in chosen) >= _ITEMS:
            break
        chosen.append(feed)
    return chosen


def _count(feed: Feed) -> int:
    return len(next(iter(feed.values())))
