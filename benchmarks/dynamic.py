"""What trained models lose when their sparse layers run on integers, by the range of their inputs in each run.

Usage: python benchmarks/dynamic.py [FOLDER] [--only MODEL ...] [--minilm F] [--tokenizer F]

FOLDER holds the models and their inputs (default: the environment variable ONNXDC_DATA); images take pillow, sentences
the package tokenizers. SqueezeNet is the one that the paper's author pruned; MiniLM is pruned here, without data, to
three densities. The same weights run on floats and on integers (``activation = dynamic``, each layer that can), so that
what is lost is the rounding of activations alone. 900 images of ImageNet and the pairs of STS-B judge.

The columns of the table:
  density      the share of the weights that is not zero
  layers       how many of them run on integers, of how many that run on the compressed weight
  score        of the floats: percentage that is right, or Spearman's rank correlation
  drop         of that on integers, with its standard error
  f            the divergence from the floats: KL for classes, 1 - cosine for unit vectors
  must, aim    what the drop (SqueezeNet) or f (MiniLM) must and should not exceed, and whether it does

Exits with 1 if a figure that must hold does not, or if something is missing.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import onnxdc
from common.program import add_data, add_minilm, choose, data_path, make_parser, need_files, run
from common.trained import trained_models
from fewest.cases import Case, Items, all_cases
from onnxdc.evaluate.judge import Judge
from onnxdc.evaluate.metrics import metric_of

COLUMNS: Final = {  # heading: alignment and width
    "model": "<11",
    "density": ">7",
    "layers": ">7",
    "score": ">7",
    "drop": ">16",
    "f": ">8",
    "must, aim": "",
}


@dataclass(frozen=True)
class Limits:
    """What a model may lose.

    Attributes:
        figure: Which figure says so: ``"drop"`` or ``"f"``.
        must: What it must not exceed.
        aim: What it should not exceed.
    """

    figure: str
    must: float
    aim: float


DENSITIES: Final = {"squeezenet": (None,), "minilm": (0.6, 0.35, 0.2)}
LIMITS: Final = {"squeezenet": Limits("drop", 0.8, 0.3), "minilm": Limits("f", 0.002, 0.001)}


def main() -> int:
    """Measure the models, and print a line for each density."""
    parser = make_parser(__doc__)
    add_data(parser)
    parser.add_argument("--only", nargs="+", metavar="MODEL", help="take these models")
    add_minilm(parser, tokenizer=True)
    arguments = parser.parse_args()
    folder = data_path(arguments.folder, "the folder of data: name it")
    cases = all_cases(folder, arguments.minilm, arguments.tokenizer)
    names = choose(arguments.only, LIMITS, "models")
    pruned = {"squeezenet": trained_models(folder)["squeezenet_han"].file, "minilm": cases["minilm"].file}
    need_files(path for name in names for path in [pruned[name], *cases[name].inputs])
    print(" ".join(f"{text:{width}}" for text, width in COLUMNS.items()), flush=True)
    held = True
    for name in names:
        items = cases[name].load()
        for density in DENSITIES[name]:
            holds, text = measure(cases[name], items, pruned[name], density)
            print(text, flush=True)
            held = held and holds
    return int(not held)


def measure(case: Case, items: Items, model: Path, density: float | None) -> tuple[bool, str]:
    """Hold a model on integers to the same one on floats; return whether it keeps to what must hold, and its line."""
    with tempfile.TemporaryDirectory() as folder:
        floats, integers = Path(folder, "floats.onnx"), Path(folder, "integers.onnx")
        if density is None:
            floats = model
        else:
            onnxdc.decode(onnxdc.compress(model, density=density).model).save(floats)
        encoded = onnxdc.encode(floats, activation="dynamic", execution="sparse")
        encoded.save(integers)
        metric = metric_of(case.metric or "f")
        assert metric is not None, "these models have one"
        drop, f = Judge(floats, items.judging.feeds, items.judging.labels).drop(integers, metric)
    rows = [row for row in encoded.report.rows if row.runs_sparse]
    elements, nonzeros = (sum(getattr(row, key) for row in encoded.report.rows) for key in ("size", "nnz"))
    limits = LIMITS[case.name]
    value = {"drop": drop.value, "f": f}[limits.figure]
    cells = [
        *(case.name, f"{100 * nonzeros / elements:.1f} %"),
        f"{sum(row.execution == 'dynamic' for row in rows)}/{len(rows)}",
        *(f"{drop.before:.4g}", f"{drop.value:.3f} +- {drop.error:.3f}", f"{f:.2g}", " ".join(verdicts(value, limits))),
    ]
    line = " ".join(f"{cell:{width}}" for cell, width in zip(cells, COLUMNS.values(), strict=True))
    return value <= limits.must, line


def verdicts(value: float, limits: Limits) -> Iterator[str]:
    """Yield what a figure must and should keep to, and whether it does."""
    for kind, limit in (("must", limits.must), ("aim", limits.aim)):
        yield f"{limits.figure} {kind} {limit}: {'reached' if value <= limit else 'missed'}"


if __name__ == "__main__":
    sys.exit(run(main))
