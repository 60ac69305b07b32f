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
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import onnxdc
from common.program import add_data, add_minilm, choose, choose_matching, data_path, make_parser, need_files, run
from fewest.cases import Case, all_cases
from int8.trained import Measured, Trained, read_trained

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


def missed(measured: Measured, limits: Limits) -> list[str]:
    """Return the names of the figures that exceed their limits."""
    return [name for name in ("f", "latency", "load") if getattr(measured, name) > getattr(limits, name)] + (
        ["drop"] if measured.drop.value > limits.drop else []
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
        trained = read_trained(name, cases, folder, arguments.minilm)
        for limits in LIMITS[name]:
            if limits.size in sizes:
                measured = measure(trained, limits.size)
                exceeding = missed(measured, limits)
                print(line(trained.case, measured, limits, exceeding), flush=True)
                held = held and (limits.kind == "aim" or not exceeding)
    return int(not held)


def measure(trained: Trained, size: str) -> Measured:
    """Make a file of a size, and measure it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "small.onnx")
        case, data = trained.case, trained.items.calibration
        onnxdc.compress(case.file, data=data, int8=True, target_size=size, strip=True).save(path)
        return trained.measure(path)


def line(case: Case, measured: Measured, limits: Limits, exceeding: Sequence[str]) -> str:
    """Return the line of a file."""
    drop = measured.drop
    ratio = case.file.stat().st_size / measured.nbytes
    verdict = f"{limits.kind}: " + (f"{', '.join(exceeding)} missed" if exceeding else "reached")
    cells = [
        *(case.name, limits.size, f"{measured.nbytes:,}", f"{ratio:.2f}", f"{measured.f:.2g}", f"{drop.after:.4g}"),
        *(f"{drop.value:.3f} +- {drop.error:.3f}", f"{measured.latency:.2f}", f"{measured.load:.2f}", verdict),
    ]
    return " ".join(f"{cell:{width}}" for cell, width in zip(cells, COLUMNS.values(), strict=True))


if __name__ == "__main__":
    sys.exit(run(main))
