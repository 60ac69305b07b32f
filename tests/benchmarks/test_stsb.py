from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from tests.benchmarks.programs import refused, run
from tests.helpers.small_models import saved
from tests.helpers.text_models import build, normal

# In the place of the package: a word's token is its length.
TOKENIZERS = """
from types import SimpleNamespace

class Tokenizer:
    from_file = classmethod(lambda cls, path: cls())
    enable_truncation = lambda self, tokens: None
    no_padding = lambda self: None

    def encode_batch(self, sentences):
        return [SimpleNamespace(ids=[len(word) for word in sentence.split()]) for sentence in sentences]
"""
PAIRS = "4.8\ta cat sat\ta cat sits\n0.2\tit rains cats and dogs\tno\n2.5\tone two three\tthree two four\n"


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """A sentence encoder that adds up a vector for each token, a tokenizer, and three pairs."""
    model = build(
        """
        encoder (int64[N, T] input_ids, int64[N, T] attention_mask) => (float[N, 64] y) {
            vectors = Gather(table, input_ids)
            mask = Cast<to: int = 1>(attention_mask)
            column = Unsqueeze(mask, last)
            masked = Mul(vectors, column)
            sum = ReduceSum<keepdims: int = 0>(masked, middle)
            y = LpNormalization(sum)
        }
        """,
        table=normal(64, 64, seed=0),
        last=np.array([-1]),
        middle=np.array([1]),
    )
    tokenizer, pairs = tmp_path / "tokenizer.json", tmp_path / "pairs.tsv"
    tokenizer.touch()
    pairs.write_text(PAIRS, encoding="utf-8")
    return [saved(model, tmp_path / "encoder.onnx"), tokenizer, pairs]


def test_a_line_for_each_density(tmp_path: Path, files: list[Path]) -> None:
    (tmp_path / "tokenizers.py").write_text(TOKENIZERS, encoding="utf-8")
    python_path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])

    ended = run("stsb.py", *files, "--density", "0.5", PYTHONPATH=python_path)

    assert (ended.code, ended.error) == (0, "")
    headings, *rows = ended.lines
    assert headings.split() == ["model", "bytes", "Spearman"]
    assert [row[:14].rstrip() for row in rows] == ["original", "compressed", "density 0.5"]
    assert rows[0].split()[-2] == str(files[0].stat().st_size)
    assert all(-1 <= float(row.split()[-1]) <= 1 for row in rows)


def test_missing_files(tmp_path: Path, files: list[Path]) -> None:
    text = refused("stsb.py", files[0], tmp_path / "none.json", tmp_path / "none.tsv")

    assert text == f"files {tmp_path / 'none.json'}, {tmp_path / 'none.tsv'}"


def test_without_tokenizers(files: list[Path]) -> None:
    assert refused("stsb.py", *files, without=["tokenizers"]) == "tokenizers: pip install tokenizers"
