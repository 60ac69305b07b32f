"""Models that are quantised already, coded without loss, next to the uncoded files: in onnxruntime alone.

Usage: python benchmarks/int8_files.py [FOLDER] [--only KIND ...] [--minilm FILE]

FOLDER holds the models that are quantised (default: the environment variable ONNXDC_DATA). Reading images takes
pillow, the row of NNCF ``pip install '.[peers]'``; a kind whose package is missing is left out, and said so. Quantised
files are kept in build/benchmarks/int8.

The columns of the table:
  kind       what was quantised, and how: onnxruntime's static quantiser (QDQ, QOperator; a scale a tensor or a
             channel), its dynamic one, 4 bits in blocks (packed for MatMulNBits and GatherBlockQuantized, or INT4
             behind DequantizeLinear), NNCF
  uncoded    bytes of the quantised file
  coded      bytes of what ``encode`` makes of it, and their share of the uncoded ones
  over       by how much that is more than an ideal code of the single integers would take (their entropy, of each
             weight by itself), with the rest of the coded file as it is; 1.5 % must hold
  strip      bytes of the same without texts of exporters
  gzip       what gzip -9 takes off that file; 5 % must hold from 300 KB on
  operators  whether the graph that onnxruntime makes of the coded file has the same operators, as often
  bits       whether all outputs are equal bit for bit
  time       processor time of a run of the coded file over the uncoded one, on one thread, the median of five rounds in
             which both have their turns; 1.05 must hold

Exits with 1 if a figure that must hold does not, or if something is missing.
"""

from __future__ import annotations

import importlib.util
import logging
import sys
from typing import Final

from common.program import BUILD, add_data, add_minilm, choose_matching, data_path, make_parser, need_files, run
from common.sessions import Feed
from common.trained import TrainedModel, trained_models
from int8.kinds import Kind, all_kinds
from int8.measure import Measured, measure

COLUMNS: Final = {  # heading: alignment and width
    "kind": "<28",
    "uncoded": ">11",
    "coded": ">11",
    "share": ">7",
    "over": ">7",
    "strip": ">11",
    "gzip": ">7",
    "operators": ">10",
    "bits": ">6",
    "time": ">6",
    "missed": "",
}
_ITEMS: Final = 10  # of a feed to calibrate on
_CALIBRATING: Final = 10  # feeds
_RUNNING: Final = 2  # feeds that outputs are compared on


def main() -> int:
    """Quantise the models, code them, and print a line for each."""
    parser = make_parser(__doc__)
    add_data(parser)
    parser.add_argument("--only", nargs="+", default=[], metavar="KIND", help="take these, such as 'resnet56*'")
    add_minilm(parser)
    arguments = parser.parse_args()
    folder = data_path(arguments.folder, "the folder of data: name it")
    kinds = {kind.key: kind for kind in all_kinds()}
    chosen = [kinds[key] for key in choose_matching(parser, arguments.only, kinds)]
    models = trained_models(folder, arguments.minilm)
    need_files(path for kind in chosen for path in models[kind.model].files)
    print(" ".join(f"{text:{width}}" for text, width in COLUMNS.items()), flush=True)
    logging.disable(logging.WARNING)  # of the quantisers, which advise
    held, feeds = True, {}
    for kind in chosen:
        if kind.package and importlib.util.find_spec(kind.package) is None:
            print(f"{kind.key:28} left out: the package {kind.package} is missing", flush=True)
            continue
        if kind.model not in feeds:
            feeds[kind.model] = list(feeds_of(models[kind.model]))
        measured = measure_kind(kind, models[kind.model], feeds[kind.model])
        print(line(kind, measured), flush=True)
        held &= not measured.missed
    return int(not held)


def feeds_of(model: TrainedModel) -> list[Feed]:
    """Return some inputs of a model, the first one of a single item."""
    inputs = model.load()
    batches = [feed for feed, _ in zip(inputs.feeds(), range(_CALIBRATING), strict=False)]
    return [inputs.single, *({name: array[:_ITEMS] for name, array in feed.items()} for feed in batches)]


def measure_kind(kind: Kind, model: TrainedModel, feeds: list[Feed]) -> Measured:
    """Quantise a model, unless that was done before, and measure what becomes of it."""
    folder = BUILD / "int8"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{kind.key.replace(' ', '_')}.onnx"
    if not path.exists():
        kind.write(model.file, path, feeds[1:])
    return measure(path, path.with_suffix(".coded"), feeds[:_RUNNING])


def line(kind: Kind, measured: Measured) -> str:
    """Return the line of a kind."""
    cells = [
        *(kind.key, f"{measured.before:,}", f"{measured.after:,}", f"{measured.after / measured.before:.1%}"),
        *(f"{measured.over:.2%}", f"{measured.stripped:,}", f"{measured.gained:.2%}"),
        *("same" if not measured.lost else "other", "equal" if measured.is_equal else "other"),
        *(f"{measured.ratio:.3f}", ", ".join(measured.missed)),
    ]
    return " ".join(f"{cell:{width}}" for cell, width in zip(cells, COLUMNS.values(), strict=True)).rstrip()


if __name__ == "__main__":
    sys.exit(run(main))
