"""Files of ``compress --int8`` beside what other tools make of the same models in integers, in onnxruntime alone.

Usage: python benchmarks/int8_peers.py [FOLDER] [--only MODEL ...] [--rows WAY ...] [--minilm F] [--tokenizer F]

FOLDER holds the models and their inputs (default: the environment variable ONNXDC_DATA); images take pillow, sentences
the package tokenizers, what other tools' files are with brotli and the rows of NNCF ``pip install '.[peers]'``. What is
drawn to calibrate on, and what judges, is as in int8_trained.py. Other tools calibrate on the first 100 of those items.

The columns of the table:
  way       the size that ``compress --int8 --target-size`` was asked for, or the other tool: onnxruntime's static
            quantiser (QDQ, a scale for each channel), which transformers are not for, its dynamic one (weights unsigned
            or signed, what brotli makes smaller), NNCF
  bytes     of the file
  brotli    bytes of the same after brotli -11
  f         the divergence of the outputs: KL for classifiers, 1 - cosine for unit vectors
  score     percentage of items that are right, or Spearman's rank correlation on STS-B; and its drop, with the standard
            error of that
  latency   the CPU time of a run over that of the original: medians of turns that the two take, on one thread
  load      the CPU seconds until a session is there: the median of five processes

Exits with 1 if something is missing, but for a row whose package is, which is left out, and said so.
"""

from __future__ import annotations

import importlib.util
import logging
import sys
import tempfile
from pathlib import Path
from typing import Final

from common.program import add_data, add_minilm, choose, choose_matching, data_path, make_parser, need, need_files, run
from fewest.cases import all_cases
from int8.peers import SIZES, Way, all_ways
from int8.trained import Measured, Trained, read_trained
from peers.int8 import brotli_bytes

COLUMNS: Final = {  # heading: alignment and width
    "model": "<11",
    "way": "<20",
    "bytes": ">10",
    "brotli": ">10",
    "f": ">7",
    "score": ">6",
    "drop": ">16",
    "latency": ">7",
    "load": ">6",
}


def main() -> int:
    """Make the files, and print a line for each."""
    parser = make_parser(__doc__)
    add_data(parser)
    parser.add_argument("--only", nargs="+", metavar="MODEL", help="take these models")
    parser.add_argument("--rows", nargs="+", default=[], metavar="WAY", help="take these ways, such as 'onnxruntime*'")
    add_minilm(parser, tokenizer=True)
    arguments = parser.parse_args()
    folder = data_path(arguments.folder, "the folder of data: name it")
    cases = all_cases(folder, arguments.minilm, arguments.tokenizer)
    names = choose(arguments.only, SIZES, "models")
    known = dict.fromkeys(way.name for name in SIZES for way in all_ways(name))
    ways = choose_matching(parser, arguments.rows, known)
    need_files(path for name in names for path in cases[name].files)
    need("brotli", "brotli: pip install '.[peers]'")
    print(" ".join(f"{text:{width}}" for text, width in COLUMNS.items()), flush=True)
    logging.disable(logging.WARNING)  # of the quantisers, which advise
    for name in names:
        trained = read_trained(name, cases, folder, arguments.minilm)
        for way in all_ways(name):
            if way.name in ways:
                print(_row(trained, way), flush=True)
    return 0


def _row(trained: Trained, way: Way) -> str:
    """Make a file, and return its line."""
    if way.package and importlib.util.find_spec(way.package) is None:
        return f"{trained.case.name:11} {way.name:20} left out: the package {way.package} is missing"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "int8.onnx")
        way.write(trained, path)
        return line(trained.case.name, way.name, trained.measure(path), brotli_bytes(path))


def line(model: str, way: str, measured: Measured, packed: int) -> str:
    """Return the line of a file."""
    drop = measured.drop
    cells = [
        *(model, way, f"{measured.nbytes:,}", f"{packed:,}", f"{measured.f:.2g}", f"{drop.after:.4g}"),
        *(f"{drop.value:.3f} +- {drop.error:.3f}", f"{measured.latency:.2f}", f"{measured.load:.2f}"),
    ]
    return " ".join(f"{cell:{width}}" for cell, width in zip(cells, COLUMNS.values(), strict=True))


if __name__ == "__main__":
    sys.exit(run(main))
