"""The rows of the table: what makes a file, and the figures that it must reach or aims at."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeAlias

import onnxdc
from fewest.cases import SPLITS, Items
from fewest.goals import KB, Goal
from peers import int8

Write: TypeAlias = Callable[[Path, Path, Items], int]
"""Makes a file of the model, at a path, with items; returns the bytes that count."""

DYNAMIC: Final = "dynamic int8, brotli"


@dataclass(frozen=True)
class Row:
    """A row of the table.

    Attributes:
        name: Its name: who makes the file, or with what wish.
        write: What makes it.
        must: The figures that must hold.
        aim: Those that are aimed at.
        is_peer: Whether it is of somebody else's tool.
    """

    name: str
    write: Write = field(repr=False)
    must: Goal = field(default_factory=Goal)
    aim: Goal = field(default_factory=Goal)
    is_peer: bool = False


def peers_of(name: str) -> list[Row]:
    """Return the rows of other tools for a model."""
    if name in SPLITS:
        return []
    rows = [Row(DYNAMIC, partial(_quantized, int8.dynamic), is_peer=True)]
    if name in _FIGURES:
        rows.append(Row("static int8, brotli", partial(_quantized, int8.static), is_peer=True))
        rows.append(Row("NNCF int8, brotli", partial(_quantized, int8.nncf), is_peer=True))
    return rows


def own_rows(name: str, int8: Goal | None = None) -> list[Row]:
    """Return the rows of ``compress`` for a model.

    Args:
        name: The model.
        int8: The bytes and the f of onnxruntime's dynamic int8, which models without figures of their own must not
            exceed.
    """
    if name in SPLITS:
        return [_own("--data --max-drop 1", Goal(drop=1, errors=1, ratio=10.5), Goal(ratio=12), max_drop=1.0)]
    if name not in _FIGURES:
        int8 = int8 or Goal()
        return [_own("no options", int8, has_data=False), _at(int8.f or _USUAL_F)]
    return _FIGURES[name]


def _own(name: str, must: Goal | None = None, aim: Goal | None = None, *, has_data: bool = True, **options: Any) -> Row:
    return Row(name, partial(_compressed, has_data, options), must or Goal(), aim or Goal())


def _compressed(has_data: bool, options: dict[str, Any], model: Path, path: Path, items: Items) -> int:
    if has_data:
        options = options | {"data": items.calibration}
    if "max_drop" in options:
        options = options | {"val": items.val.data}
    onnxdc.compress(model, **options).save(path)
    return path.stat().st_size


def _quantized(quantizer: int8.Quantizer, model: Path, path: Path, items: Items) -> int:
    quantizer(model, path, items.calibration)
    return int8.brotli_bytes(path)


def _none(nbytes: int, aim: int, f: float) -> Row:
    return _own("no options", Goal(nbytes * KB, f), Goal(aim * KB, f), has_data=False)


def _at(f: float, nbytes: int | None = None, aim: int | None = None) -> Row:
    must, aimed = (None if size is None else Goal(size * KB, f) for size in (nbytes, aim))
    return _own("--data, f of int8", must, aimed, max_drop=f, metric="f")


def _sized(ratio: str, f: float | None = None, aim: float | None = None) -> Row:
    return _own(f"--data --target-size {ratio}", Goal(f=f), Goal(f=aim), target_size=ratio)


def _zeros(must: Goal, aim: Goal) -> Row:
    return _own("--data --global-density 0.5", must, aim, global_density=0.5)


_USUAL_F: Final = 0.01  # where int8 changes nothing

_FIGURES: Final[dict[str, list[Row]]] = {
    "squeezenet": [
        _none(890, 800, 0.0146),
        _at(0.0146, 670, 600),
        _sized("8x", 0.03),
        _sized("10x", 0.075),
        _sized("11.4x", 0.12),
        _sized("12.5x", aim=0.1),
        _zeros(Goal(drop=5), Goal(drop=4)),
    ],
    "resnet56": [
        _none(680, 600, 0.0041),
        _at(0.0041, 465, 420),
        _sized("8.5x", 0.009),
        _sized("10x", 0.02, 0.012),
        _sized("12x", aim=0.03),
        _zeros(Goal(drop=2), Goal(drop=1)),
    ],
    "minilm": [
        _none(14_500, 13_000, 0.0081),
        _at(0.0081, 10_200, 9_000),
        _sized("8.5x", 0.01),
        _sized("10x", aim=0.01),
        _sized("11x", 0.035),
        _sized("13x", 0.06, 0.045),
        _zeros(Goal(f=0.066), Goal(f=0.04)),
    ],
}
