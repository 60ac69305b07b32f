"""Sentences for an encoder such as all-MiniLM-L6-v2: pairs with scores of their likeness, tokens, feeds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from common.program import need
from common.sessions import Feed

TOKENS: Final = 256  # of a sentence, at most


def read_pairs(path: Path) -> tuple[np.ndarray, list[str]]:
    """Read scores, float64 ``[pairs]``, and all first sentences, then all second ones."""
    rows = [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines()]
    return np.array([float(row[0]) for row in rows]), [row[column] for column in (1, 2) for row in rows]


def need_tokenizers() -> None:
    """Make sure that the package that reads tokenizers is there.

    Raises:
        MissingError: It is not.
    """
    need("tokenizers", "tokenizers: pip install tokenizers")


def tokenize(path: Path, sentences: list[str]) -> list[list[int]]:
    """Return the numbers of each sentence's tokens, by the tokenizer of a ``tokenizer.json``."""
    from tokenizers import Tokenizer

    tokenizer: Any = Tokenizer.from_file(str(path))
    tokenizer.enable_truncation(TOKENS)
    tokenizer.no_padding()
    return [encoding.ids for encoding in tokenizer.encode_batch(sentences)]


def padded(tokens: Sequence[Sequence[int]]) -> Feed:
    """Make a feed for sentences that need not be of one length."""
    lengths = np.array([len(ids) for ids in tokens])
    mask = (np.arange(lengths.max()) < lengths[:, None]).astype(np.int64)
    ids = np.zeros_like(mask)
    ids[mask > 0] = np.concatenate([np.array(part) for part in tokens])
    return {"input_ids": ids, "attention_mask": mask}
