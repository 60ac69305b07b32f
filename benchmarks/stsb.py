"""Whether a sentence encoder still judges likeness as people do when it is compressed: Spearman's rank correlation.

Usage: python benchmarks/stsb.py MODEL TOKENIZER PAIRS [--density D ...]

MODEL takes int64 ``input_ids`` and ``attention_mask``, each [sentences, tokens], and answers unit vectors, as
all-MiniLM-L6-v2 does; TOKENIZER is its tokenizer.json, which takes ``pip install tokenizers``. PAIRS are lines of a
score, a sentence and another one, with tabs between: the test part of STS-B.

Prints, for the original and for the model compressed with the defaults and with each density: bytes, and the
correlation of the cosines with the scores; compressed models run natively.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Final

import numpy as np
from scipy.stats import spearmanr

import onnxdc
from common.program import make_parser, need_files, run
from common.sentences import need_tokenizers, padded, read_pairs, tokenize
from common.sessions import Way, load

BATCH: Final = 64


def main() -> int:
    """Measure the original and the compressed models, and print a line for each."""
    parser = make_parser(__doc__)
    for name in ("model", "tokenizer", "pairs"):
        parser.add_argument(name, type=Path, metavar=name.upper())
    parser.add_argument("--density", nargs="+", type=float, default=[], metavar="D")
    arguments = parser.parse_args()
    need_files([arguments.model, arguments.tokenizer, arguments.pairs])
    need_tokenizers()
    scores, sentences = read_pairs(arguments.pairs)
    tokens = tokenize(arguments.tokenizer, sentences)

    def correlation(path: Path, way: Way) -> float:
        first, second = np.split(embed(path, way, tokens), 2)
        return float(spearmanr(np.sum(first * second, axis=1), scores).statistic)

    def show(name: str, path: Path, way: Way) -> None:
        print(f"{name:<14} {path.stat().st_size:9} {correlation(path, way):8.4f}", flush=True)

    print(f"{'model':<14} {'bytes':>9} {'Spearman':>8}")
    show("original", arguments.model, "dense")
    for density in (None, *arguments.density):
        with tempfile.TemporaryDirectory() as folder:
            small = Path(folder, "small.onnx")
            onnxdc.compress(arguments.model, density=density).save(small)
            show("compressed" if density is None else f"density {density:g}", small, "native")
    return 0


def embed(path: Path, way: Way, tokens: list[list[int]]) -> np.ndarray:
    """Return the vector of each sentence, float32 ``[sentences, width]``; sentences of like length run together."""
    session = load(path, way)
    order = sorted(range(len(tokens)), key=lambda index: len(tokens[index]))
    parts = [order[start : start + BATCH] for start in range(0, len(order), BATCH)]
    vectors = [np.asarray(session.run(None, padded([tokens[index] for index in part]))[0]) for part in parts]
    return np.concatenate(vectors)[np.argsort(order)]


if __name__ == "__main__":
    sys.exit(run(main))
