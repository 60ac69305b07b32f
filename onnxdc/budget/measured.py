"""What was measured of a model, in a folder with the recipes that repeat it: it is not measured again."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import importlib.metadata
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

from onnxdc.budget.dataset import Dataset
from onnxdc.errors import ModelError, OnnxdcError, OptionError
from onnxdc.evaluate.metrics import metric_of
from onnxdc.model_io.atomic import check_replaceable, replacing
from onnxdc.report.tuning import TunedPoint, TunedWeight, Tuning, by_importance

FILE: Final = "measured.json"
_NOT_OURS: Final = "cannot be read: expected what tune writes, or another folder"


def digest_of(*data: Dataset | None) -> str:
    """Return a digest of items and labels, in hexadecimal."""
    hasher = hashlib.sha256()
    for part in data:
        for feed in () if part is None else (*part.feeds, {} if part.labels is None else {"": part.labels}):
            for name, array in sorted(feed.items()):
                hasher.update(repr((name, array.dtype.str, array.shape)).encode())
                hasher.update(array.tobytes())
    return hasher.hexdigest()


@dataclass(frozen=True)
class Found:
    """What a folder of ``tune`` has.

    Attributes:
        path: The file that it was read from.
        digest: The digest of the model that it was measured of.
        tuning: The same as ``tune`` told it.
    """

    path: Path
    digest: str
    tuning: Tuning


def found_by_tune(path: str | os.PathLike[str]) -> Found:
    """Read what was measured of a model.

    Args:
        path: The folder of ``tune``, or the file in it.

    Raises:
        ModelError: It is not what ``tune`` writes.
    """
    file = Path(path) / FILE if Path(path).is_dir() else Path(path)
    content = _parsed(file)
    try:
        digest, before = content.of["model"]
        metric = metric_of(content.of["metric"]) if content.of["metric"] else None
        held_back = content.of["val"] == digest_of(None)
    except (KeyError, TypeError, ValueError, OnnxdcError) as error:
        raise ModelError(f"{file}: {_NOT_OURS}") from error
    tuning = Tuning(
        before,
        "items held back from calibration" if held_back else "other items than it was calibrated on",
        *((metric.name, metric.unit) if metric else ("", "")),
        points=tuple(sorted(content.points, key=lambda point: -point.nbytes)),
        weights=by_importance(content.weights or ()),
        notes=tuple(content.notes),
    )
    return Found(file, digest, tuning)


class _Content(NamedTuple):
    """What stands in a file, see ``Measured``."""

    of: dict[str, Any]
    strengths: list[float] | None
    weights: list[TunedWeight] | None
    notes: list[str]
    points: list[TunedPoint]


def _parsed(path: Path) -> _Content:
    """Return what stands in a file.

    Raises:
        ModelError: It is not what ``tune`` writes.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        weights, points = content["weights"], [TunedPoint(**point) for point in content["points"]]
        weights = None if weights is None else [TunedWeight(**weight) for weight in weights]
        return _Content(dict(content["of"]), content["strengths"], weights, list(content["notes"]), points)
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise ModelError(f"{path}: {_NOT_OURS}") from error


class Measured:
    """What was measured so far, as it stands in a folder.

    Args:
        folder: The folder, which is made when there is something to write, if need be.
        of: What it is measured of: a plain value for each thing that it depends on.

    Attributes:
        strengths: Where the points are to lie; None before that is known.
        weights: What each weight matters; None before it was measured.
        notes: What is to be told of the weights.
        points: The points whose recipes are there, by strength.

    Raises:
        ModelError: The folder cannot be written to, or has something of another form under this name.
        OptionError: What it has is of other things.
    """

    def __init__(self, folder: str | os.PathLike[str], of: Mapping[str, Any]) -> None:
        self._folder = Path(folder)
        self._of = {"onnxdc": importlib.metadata.version("onnxdc"), **of}
        self.strengths: list[float] | None = None
        self.weights: list[TunedWeight] | None = None
        self.notes: list[str] = []
        self.points: dict[float, TunedPoint] = {}
        with self._writing():
            check_replaceable(self._folder / FILE if self._folder.exists() else self._folder)
        if (self._folder / FILE).exists():
            self._read()

    def add(self, point: TunedPoint, recipe: str) -> None:
        """Write the text of a point's recipe, and note the point."""
        self._write(point.recipe, recipe)
        self.points[point.strength] = point
        self.save()

    def save(self) -> None:
        """Write what was measured so far."""
        weights = None if self.weights is None else [dataclasses.asdict(weight) for weight in self.weights]
        points = [dataclasses.asdict(self.points[strength]) for strength in sorted(self.points)]
        content = {"of": self._of, "strengths": self.strengths, "weights": weights, "notes": self.notes}
        self._write(FILE, json.dumps(content | {"points": points}, indent=1) + "\n")

    def name_for(self, ratio: float) -> str:
        """Return a name for the recipe of a point that no other point has."""
        names = {point.recipe for point in self.points.values()}
        stems = [f"{ratio:.{digits}f}x" for digits in (1, 2, 3)]
        stems += [f"{stems[-1]}.{number}" for number in range(2, len(names) + 3)]
        return next(name for stem in stems if (name := f"{stem}.toml") not in names)

    def _read(self) -> None:
        path = self._folder / FILE
        of, self.strengths, self.weights, self.notes, points = _parsed(path)
        differing = [name for name in {**self._of, **of} if of.get(name) != self._of.get(name)]
        if differing:
            raise OptionError(
                f"{path}: measured with another {', '.join(differing)}: expected the same, or a new folder"
            )
        self.points = {point.strength: point for point in points if (self._folder / point.recipe).is_file()}

    def _write(self, name: str, text: str) -> None:
        with self._writing():
            self._folder.mkdir(exist_ok=True)
            with replacing(self._folder / name) as file:
                file.write(text.encode())

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise ModelError(f"{self._folder}: cannot write: {error.strerror or error}") from error
