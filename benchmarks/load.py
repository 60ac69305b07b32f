"""Measures what opening a compressed model takes, in each way to open it, next to the dense model.

Usage: python benchmarks/load.py [SQUEEZENET.onnx] [MINILM.onnx] [--node FOLDER] [--only NAME ...] [--runs N]

Layers are drawn with a fixed seed. The trained models are looked for in the folder ONNXDC_DATA where no path is given,
as squeezenet_v10_han_dc.onnx and minilm.onnx; a missing one is left out and said so, unless --only asks for it. They
are shared by k-means, MiniLM in 8 bits, and encoded. Each session has one thread and a process of its own, the
ways take turns, and figures are medians. They leave out what an import and a session of nothing take.

The columns of the table: bytes of the dense file and of the compressed one, then seconds of processor time and MB at
the peak
  dense        of the dense model in onnxruntime
  stock        of the compressed one in onnxruntime alone, which unpacks it by the functions that the file carries
  registered   in onnxruntime with the native library registered
  session      by onnxdc.session
  expanded     of the file that onnxdc_expand_file of the native library writes, with the library; the writing included
with --node FOLDER, which has onnxruntime-web in its node_modules, in Node.js, MB being those of WebAssembly's heap
  web dense    of the dense model in onnxruntime-web
  web stock    of the compressed one in onnxruntime-web alone
  web package  of the compressed one by the npm package in js/

Below the table stands what must and should be reached, above the dense model, or in all for those of the web, and
whether it is. Exits with 1 if something that must be is not, or if something is missing.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any, Final, NamedTuple

import numpy as np

import onnxdc
from common.drawn import write_convolutions, write_layer
from common.loading import measure_load
from common.program import choose, make_parser, need_files, run
from common.sessions import Way
from common.web import Web, find_web

MB: Final = 1_000_000
RUNS: Final = 3
DENSE: Final = "dense"
WAYS: Final[dict[str, Way]] = {
    DENSE: "dense",
    "stock": "portable",
    "registered": "registered",
    "session": "native",
    "expanded": "expanded",
}
WEB_WAYS: Final = ("web dense", "web stock", "web package")
WIDTHS: Final = {"model": 12, "bytes": 11, "small": 10}
WAY_WIDTH: Final = 14


class Cost(NamedTuple):
    """What opening a model takes, or may take.

    Attributes:
        seconds: The seconds of processor time.
        peak: The MB of memory at the peak.
    """

    seconds: float
    peak: float = np.inf

    def __str__(self) -> str:
        return f"{self.seconds:.2f} s" + (f", {self.peak:.0f} MB" if np.isfinite(self.peak) else "")

    def to_json(self) -> dict[str, float | None]:
        """Return both figures, None for one that is not there."""
        return {key: value if np.isfinite(value) else None for key, value in self._asdict().items()}

    def is_within(self, limit: Cost) -> bool:
        """Tell whether neither figure is above that of a limit; one that was not measured is."""
        return self.seconds <= limit.seconds and (limit.peak == np.inf or self.peak <= limit.peak)


class Goal(NamedTuple):
    """What opening a model in one way must and should take at most."""

    way: str
    must: Cost
    aim: Cost


class Model(NamedTuple):
    """A model to open.

    Attributes:
        write: What writes the dense model, its weights shared, given its path.
        goals: What is asked of it.
        file: The file that it is made from, None for one that is drawn.
    """

    write: Callable[[Path], None]
    goals: Sequence[Goal] = ()
    file: Path | None = None


@dataclass(frozen=True)
class Row:
    """What was measured of a model.

    Attributes:
        name: What the model is called.
        nbytes: The bytes of the dense file and of the compressed one.
        costs: What opening takes, by the way.
        goals: What is asked of the ways that were measured.
    """

    name: str
    nbytes: tuple[int, int]
    costs: Mapping[str, Cost]
    goals: Sequence[Goal]

    def cells(self) -> list[str]:
        """Return the texts of the columns."""
        costs = [f"{cost.seconds:.2f} s {cost.peak:5.0f}" for cost in self.costs.values()]
        return [self.name, *(f"{count:,}" for count in self.nbytes), *costs]

    def cost_of(self, goal: Goal) -> Cost:
        """Return what is held against a goal: in all in the web, above the dense model elsewhere."""
        cost, dense = self.costs[goal.way], self.costs[DENSE]
        return cost if goal.way in WEB_WAYS else Cost(cost.seconds - dense.seconds, cost.peak - dense.peak)

    def to_json(self) -> dict[str, Any]:
        """Return all that was measured."""
        return {
            "name": self.name,
            "bytes": self.nbytes,
            "costs": {way: cost.to_json() for way, cost in self.costs.items()},
            "goals": {
                goal.way: {
                    "cost": self.cost_of(goal).to_json(),
                    "must": goal.must.to_json(),
                    "aim": goal.aim.to_json(),
                }
                for goal in self.goals
            },
        }


def main() -> int:
    """Measure the models, and print a line for each, then one for each goal."""
    arguments = parse_arguments()
    known = models(arguments.squeezenet, arguments.minilm)
    chosen = choose(arguments.only, known, "models")
    missing = {name: file for name in chosen if (file := known[name].file) and not file.is_file()}
    if arguments.only:
        need_files(missing.values())
    web = find_web(arguments.node) if arguments.node else None
    print(line([*WIDTHS, *WAYS, *(WEB_WAYS if web else ())]), flush=True)
    rows: list[Row] = []
    for name in chosen:
        if name in missing:
            print(f"{name:{WIDTHS['model']}} left out: no {missing[name].name} in ONNXDC_DATA, and no path given")
            continue
        rows.append(measure(name, known[name], web, arguments.runs))
        print(line(rows[-1].cells()), flush=True)
    if arguments.json:
        arguments.json.write_text(json.dumps([row.to_json() for row in rows], indent=1) + "\n", encoding="utf-8")
    return int(not print_goals(rows))


def parse_arguments() -> argparse.Namespace:
    """Parse the options."""
    data = Path(os.environ.get("ONNXDC_DATA", "."))
    parser = make_parser(__doc__)
    for name, file in (("squeezenet", "squeezenet_v10_han_dc.onnx"), ("minilm", "minilm.onnx")):
        parser.add_argument(name, nargs="?", type=Path, metavar=f"{name.upper()}.onnx", default=data / file)
    parser.add_argument("--node", type=Path, metavar="FOLDER", help="load in onnxruntime-web of this folder, too")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="load these models")
    parser.add_argument("--runs", type=int, default=RUNS, metavar="N", help="loads of each (default: %(default)s)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write what was measured")
    return parser.parse_args()


def models(squeezenet: Path, minilm: Path) -> dict[str, Model]:
    """Return all models by their names, in the order of the table."""
    return {
        "300x784": Model(partial(write_layer, rows=300, columns=784, density=0.08)),
        "4096x9216": Model(
            partial(write_layer, rows=4096, columns=9216, density=0.09),
            [Goal("stock", must=Cost(1.0, 700), aim=Cost(0.7, 500))],
        ),
        "squeezenet": Model(
            partial(write_shared, original=squeezenet),
            [Goal("stock", must=Cost(0.3, 60), aim=Cost(0.12, 35))],
            squeezenet,
        ),
        "convolutions": Model(write_convolutions, [Goal("stock", must=Cost(0.8), aim=Cost(0.4))]),
        "minilm": Model(
            partial(write_shared, original=minilm),
            [
                Goal("stock", must=Cost(2.5, 1000), aim=Cost(1.6, 750)),
                Goal("expanded", must=Cost(0.8, 200), aim=Cost(0.45, 100)),
                Goal("web stock", must=Cost(8, 1300), aim=Cost(4.5, 950)),
                Goal("web package", must=Cost(2, 130), aim=Cost(1.3, 123)),
            ],
            minilm,
        ),
    }


def write_shared(path: Path, original: Path) -> None:
    """Write a trained model, its weights shared."""
    onnxdc.share(original, sharing="kmeans").save(path)


def measure(name: str, model: Model, web: Web | None, runs: int) -> Row:
    """Open a model in all ways, in turns."""
    with tempfile.TemporaryDirectory() as folder:
        dense, small = Path(folder, "dense.onnx"), Path(folder, "small.onnx")
        model.write(dense)
        onnxdc.encode(dense).save(small)
        nbytes = dense.stat().st_size, small.stat().st_size
        turns = [dict(loads(dense, small, web)) for _ in range(runs)]
    costs = {way: Cost(*map(median, zip(*(turn[way] for turn in turns), strict=True))) for way in turns[0]}
    return Row(name, nbytes, costs, [goal for goal in model.goals if goal.way in costs])


def loads(dense: Path, small: Path, web: Web | None) -> Iterator[tuple[str, Cost]]:
    """Open a model once in each way, and yield its name and what that takes."""
    for name, way in WAYS.items():
        load = measure_load(dense if name == DENSE else small, way, threads=1)
        yield name, Cost(load.cpu, load.peak / MB)
    if web is None:
        return
    for name in WEB_WAYS:
        web_load = web.measure_load(dense if name == "web dense" else small, package=name == "web package")
        yield name, Cost(web_load.seconds, web_load.heap / MB)


def line(cells: Sequence[str]) -> str:
    """Return a line of the table: the first cell to the left, the others to the right."""
    widths = [*WIDTHS.values()] + [WAY_WIDTH] * (len(cells) - len(WIDTHS))
    first, *others = zip(cells, widths, strict=True)
    return " ".join([f"{first[0]:<{first[1]}}", *(f"{cell:>{width}}" for cell, width in others)])


def print_goals(rows: Sequence[Row]) -> bool:
    """Print what is asked of all rows; tell whether all that must be reached is."""
    missed: dict[str, list[str]] = {"must": [], "aim": []}
    for row in rows:
        for goal in row.goals:
            cost, title = row.cost_of(goal), f"{row.name} {goal.way}"
            texts = []
            for kind, limit in (("must", goal.must), ("aim", goal.aim)):
                reached = cost.is_within(limit)
                texts.append(f"{kind} {limit} {'yes' if reached else 'NO'}")
                missed[kind] += [] if reached else [title]
            print(f"{title:24} {cost!s:>16}   {texts[0]:32} {texts[1]}")
    for kind, titles in missed.items():
        print(f"{kind} missed: {', '.join(titles) or 'none'}")
    return not missed["must"]


if __name__ == "__main__":
    sys.exit(run(main))
