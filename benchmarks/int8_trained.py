"""How small and how fast trained models get whose layers run on integers and whose integers are coded.

Usage: python benchmarks/int8_trained.py [FOLDER] [--only MODEL ...] [--rows SIZE ...] [--minilm F] [--tokenizer F]

FOLDER holds the models and their inputs (default: the environment variable ONNXDC_DATA); images take pillow, sentences
the package tokenizers. Items to calibrate on are drawn, always the same ones, and no figure is of them: 100 images of
1,000 for SqueezeNet, 500 training images of CIFAR-10 for ResNet-56, which all 10,000 test images judge, and 200
sentences of STS-B for MiniLM, where pairs with one of them are left out. Each file is made by ``compress --int8`` and
runs in onnxruntime alone, with one thread.

The columns of the table:
  file      the size that was asked for
  bytes     of the file, and the bytes of the original over them
  f         the divergence of the outputs: KL for classifiers, 1 - cosine for unit vectors
  score     percentage of items that are right, or Spearman's rank correlation on STS-B; and its drop, with the standard
            error of that
  latency   the CPU time of a run over that of the original: medians of turns that the two take
  load      the CPU seconds until a session is there: the median of five processes
  must, aim figures to keep to, and whether the file does

Exits with 1 if a figure that must hold does not, or if something is missing.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np

import onnxdc
from common.loading import measure_load, median_load
from common.program import add_data, add_minilm, choose, choose_matching, data_path, make_parser, need_files, run
from common.sessions import Feed, load
from common.trained import trained_models
from common.turns import clock_for, run_times
from fewest.cases import Case, Items, Part, all_cases
from onnxdc.evaluate.judge import Judge
from onnxdc.evaluate.metrics import Drop, metric_of

COLUMNS: Final = {  # heading: alignment and width
    "model": "<11",
    "file": "<7",
    "bytes": ">10",
    "ratio": ">5",
    "f": ">7",
    "score": ">6",
    "drop": ">16",
    "latency": ">7",
    "load": ">6",
    "must or aim": "",
}
_LOADS: Final = 5


@dataclass(frozen=True)
class Limits:
    """Figures not to exceed.

    Attributes:
        kind: What they are: ``"must"`` or ``"aim"``.
        size: The size of the file, as ``compress`` takes it.
        f: The divergence.
        drop: The drop of the score; infinite where any will do.
        latency: The time of a run over that of the original.
        load: The seconds until a session is there.
    """

    kind: str
    size: str
    f: float
    drop: float
    latency: float
    load: float


_ANY: Final = float("inf")
LIMITS: Final[Mapping[str, Sequence[Limits]]] = {
    "squeezenet": [Limits("must", "600KB", 0.06, 0.8, 0.42, 0.2), Limits("aim", "540KB", 0.04, 0.3, 0.38, 0.1)],
    "resnet56": [Limits("must", "380KB", 0.03, 0.3, 0.42, 0.2), Limits("aim", "330KB", 0.02, 0.1, 0.38, 0.1)],
    "minilm": [Limits("must", "10.5MB", 0.04, _ANY, 0.45, 2.5), Limits("aim", "9MB", 0.03, _ANY, 0.34, 1.6)],
}


@dataclass(frozen=True)
class Measured:
    """What was measured of a file.

    Attributes:
        nbytes: Its bytes.
        f: The divergence of the outputs.
        drop: The drop of the score.
        latency: The time of a run over that of the original.
        load: The seconds until a session is there.
    """

    nbytes: int
    f: float
    drop: Drop
    latency: float
    load: float

    def missed(self, limits: Limits) -> list[str]:
        """Return the names of the figures that exceed their limits."""
        return [name for name in ("f", "latency", "load") if getattr(self, name) > getattr(limits, name)] + (
            ["drop"] if self.drop.value > limits.drop else []
        )


def main() -> int:
    """Make the files, and print a line for each."""
    parser = make_parser(__doc__)
    add_data(parser)
    parser.add_argument("--only", nargs="+", metavar="MODEL", help="take these models")
    parser.add_argument("--rows", nargs="+", default=[], metavar="PATTERN", help="make these files, such as '600KB'")
    add_minilm(parser, tokenizer=True)
    arguments = parser.parse_args()
    folder = data_path(arguments.folder, "the folder of data: name it")
    cases = all_cases(folder, arguments.minilm, arguments.tokenizer)
    names = choose(arguments.only, LIMITS, "models")
    sizes = choose_matching(parser, arguments.rows, [limits.size for each in LIMITS.values() for limits in each])
    need_files(path for name in names for path in cases[name].files)
    print(" ".join(f"{text:{width}}" for text, width in COLUMNS.items()), flush=True)
    held = True
    for name in names:
        case = cases[name]
        items = _items(case, cases)
        judge = Judge(case.file, items.judging.feeds, items.judging.labels)
        single = _single(case, items, folder, arguments.minilm)
        for limits in LIMITS[name]:
            if limits.size in sizes:
                measured = measure(case, items, limits.size, judge, single)
                missed = measured.missed(limits)
                print(line(case, measured, limits, missed), flush=True)
                held = held and (limits.kind == "aim" or not missed)
    return int(not held)


def _items(case: Case, cases: Mapping[str, Case]) -> Items:
    """Return the inputs of a model; of ResNet-56 all test images judge, the two parts of a split."""
    if case.name != "resnet56":
        return case.load()
    items = cases["resnet56_split1"].load()
    first, others = items.val, items.judging
    assert first.labels is not None, "images have labels"
    assert others.labels is not None, "images have labels"
    labels = np.concatenate([first.labels, others.labels])
    return replace(items, judging=Part([*first.feeds, *others.feeds], labels, {}))


def _single(case: Case, items: Items, folder: Path, minilm: Path | None) -> Feed:
    """Return one item, for measuring time; a sentence of 64 tokens for MiniLM."""
    if case.name == "minilm":
        return trained_models(folder, minilm)["minilm"].load().single
    return {name: array[:1] for name, array in items.judging.feeds[0].items()}


def measure(case: Case, items: Items, size: str, judge: Judge, single: Feed) -> Measured:
    """Make a file of a size, and measure it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "small.onnx")
        onnxdc.compress(case.file, data=items.calibration, int8=True, target_size=size, strip=True).save(path)
        metric = metric_of(case.metric or "f")
        assert metric is not None, "these models have one"
        drop, f = judge.drop(path, metric)
        sessions = [load(case.file, "dense", 1), load(path, "portable", 1)]
        before, after = run_times(sessions, single, clock=clock_for(1))
        cpu = median_load([measure_load(path, "portable", 1) for _ in range(_LOADS)]).cpu
        return Measured(path.stat().st_size, f, drop, after / before, cpu)


def line(case: Case, measured: Measured, limits: Limits, missed: Sequence[str]) -> str:
    """Return the line of a file."""
    drop = measured.drop
    ratio = case.file.stat().st_size / measured.nbytes
    verdict = f"{limits.kind}: " + (f"{', '.join(missed)} missed" if missed else "reached")
    cells = [
        *(case.name, limits.size, f"{measured.nbytes:,}", f"{ratio:.2f}", f"{measured.f:.2g}", f"{drop.after:.4g}"),
        *(f"{drop.value:.3f} +- {drop.error:.3f}", f"{measured.latency:.2f}", f"{measured.load:.2f}", verdict),
    ]
    return " ".join(f"{cell:{width}}" for cell, width in zip(cells, COLUMNS.values(), strict=True))


if __name__ == "__main__":
    sys.exit(run(main))
