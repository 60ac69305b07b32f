"""How small a trained model gets without training, and by how much its answers change, beside int8 of other tools.

Usage: python benchmarks/bytes.py [FOLDER] [--only MODEL ...] [--rows PATTERN ...] [--minilm FILE] [--tokenizer FILE]

FOLDER holds the models and their inputs (default: the environment variable ONNXDC_DATA). Reading images takes pillow,
sentences the package tokenizers, the rows of other tools ``pip install '.[peers]'``.

Items to calibrate on are drawn, always the same ones, and no other figure is of them: 100 images of 1,000 for
SqueezeNet, 500 training images of CIFAR-10 for ResNet-56, which 4,000 test images judge, 200 sentences of STS-B for
MiniLM, where pairs with one of them are left out. The rows "f of int8" search for a divergence on the items that judge:
bytes at an f are compared. The splits of ResNet-56 have 4,000 test images to keep ``--max-drop 1`` on, and the 6,000
others judge. The models below them were not tuned on. Each file is written and run in onnxruntime, natively if it is
compressed by us.

The columns of the table:
  file      who made it: other tools' int8 after brotli at quality 11 (dynamic: unsigned or signed, what is smaller),
            or the options of ``compress``
  bytes     of the file, and the bytes of the original over them
  f         the divergence of the outputs, as ``verify`` has it: KL for classifiers, 1 - cosine for unit vectors, the
            squared error over the squares elsewhere
  score     percentage of items that are right, or Spearman's rank correlation on STS-B; and its drop, with the
            standard error of that
  CPU       seconds of processor time that making the file took, brotli included
  must, aim figures to keep to, and whether the file does

Exits with 1 if a figure that must hold does not, or if something is missing.
"""

from __future__ import annotations

import logging
import sys
import tempfile
import time
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Final

from common.program import add_data, add_minilm, choose, choose_matching, data_path, make_parser, need, need_files, run
from fewest.cases import Case, Items, all_cases
from fewest.goals import Goal, Measured
from fewest.rows import DYNAMIC, Row, own_rows, peers_of
from onnxdc.errors import ModelError
from onnxdc.evaluate.judge import Judge
from onnxdc.evaluate.metrics import metric_of

COLUMNS: Final = {  # heading: alignment and width
    "model": "<17",
    "file": "<28",
    "bytes": ">10",
    "ratio": ">5",
    "f": ">8",
    "score": ">6",
    "drop": ">16",
    "CPU": ">5",
    "must": "<24",
    "aim": "",
}
_REASON: Final = 300  # characters that are shown of why there is no file


def main() -> int:
    """Make the files, and print a line for each."""
    parser = make_parser(__doc__)
    add_data(parser)
    parser.add_argument("--only", nargs="+", metavar="MODEL", help="take these models")
    parser.add_argument("--rows", nargs="+", default=[], metavar="PATTERN", help="make these files, such as '*10x'")
    add_minilm(parser, tokenizer=True)
    arguments = parser.parse_args()
    folder = data_path(arguments.folder, "the folder of data: name it")
    known = all_cases(folder, arguments.minilm, arguments.tokenizer)
    cases = [known[name] for name in choose(arguments.only, known, "models")]
    rows = [row for case in cases for row in (*peers_of(case.name), *own_rows(case.name))]
    chosen = choose_matching(parser, arguments.rows, dict.fromkeys(row.name for row in rows))
    need_files(path for case in cases for path in case.files)
    if any(row.is_peer and row.name in chosen for row in rows):
        need("brotli", "brotli, which shortens the files of other tools: pip install '.[peers]'")
    print(" ".join(f"{text:{width}}" for text, width in COLUMNS.items()), flush=True)
    logging.disable(logging.WARNING)  # of the other tools, which advise
    held = [holds for case in cases for holds in table(case, chosen)]
    return int(not all(held))


def table(case: Case, chosen: Collection[str]) -> Iterator[bool]:
    """Print the rows of a model that are chosen; yield for each of ours whether what must hold does."""
    items = case.load()
    judge = Judge(case.file, items.judging.feeds, items.judging.labels)
    int8 = Goal()
    for row in peers_of(case.name):
        if row.name in chosen:
            try:
                measured = measure(case, row, items, judge)
            except Exception as error:  # of whatever kind: other tools raise many
                print(refusal(case, row, error), flush=True)
                continue
            print(line(case, row, measured), flush=True)
            if row.name == DYNAMIC and measured.f > 0:  # else it left all weights as they were
                int8 = Goal(measured.nbytes, measured.f)
    for row in own_rows(case.name, int8):
        if row.name in chosen:
            try:
                measured = measure(case, row, items, judge)
            except ModelError as error:  # what is wished for cannot be had
                print(refusal(case, row, error), flush=True)
                yield False
                continue
            print(line(case, row, measured), flush=True)
            yield measured.reaches(row.must)


def measure(case: Case, row: Row, items: Items, judge: Judge) -> Measured:
    """Make a file and run it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "small.onnx")
        start = time.process_time()
        nbytes = row.write(case.file, path, items)
        seconds = time.process_time() - start
        metric = None if case.metric is None else metric_of(case.metric)
        drop, f = (None, judge.divergence(path)) if metric is None else judge.drop(path, metric)
    return Measured(nbytes, case.file.stat().st_size / nbytes, f, drop, seconds)


def refusal(case: Case, row: Row, error: Exception) -> str:
    """Return the line of a file that could not be made."""
    reason = " ".join(str(error).split())
    return f"{case.name:17} {row.name:28} {reason[:_REASON]}"


def line(case: Case, row: Row, measured: Measured) -> str:
    """Return the line of a file."""
    drop, missed = measured.drop, "" if measured.reaches(row.must) else " MISSED"
    score, fell = ("", "") if drop is None else (f"{drop.after:.4g}", f"{drop.value:.3f} +- {drop.error:.3f}")
    cells = [
        *(case.name, row.name, f"{measured.nbytes:,}", f"{measured.ratio:.2f}", f"{measured.f:.2g}", score, fell),
        *(f"{measured.seconds:.0f}", f"{row.must}{missed}", str(row.aim)),
    ]
    return " ".join(f"{cell:{width}}" for cell, width in zip(cells, COLUMNS.values(), strict=True))


if __name__ == "__main__":
    sys.exit(run(main))
