"""A sentence encoder for search: a tenth of its size, and whether it still finds the same texts.

    python examples/search.py minilm.onnx tokenizer.json texts.txt "a query" "another one"

`texts.txt` has a text a line, which are what is searched and what the encoder is calibrated on. The model takes
`input_ids` and `attention_mask`, and `token_type_ids` if it has that input; it returns a vector a text, or one a token,
of which the mean is taken. Needs the package `tokenizers`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import click
import numpy as np

import onnxdc

CALIBRATED_ON: Final = 200  # texts
SHOWN: Final = 3  # texts for each query
TOKENS: Final = 128  # of a text, at most


class Encoder:
    """A model that makes a vector of length 1 of each text."""

    def __init__(self, model: Path, tokenizer: Path) -> None:
        from tokenizers import Tokenizer

        self._session = onnxdc.session(model)
        self._tokenizer: Any = Tokenizer.from_file(str(tokenizer))
        self._tokenizer.enable_truncation(TOKENS)
        self._tokenizer.enable_padding()

    def feed(self, texts: list[str]) -> dict[str, np.ndarray]:
        """Return what goes into the model."""
        encodings = self._tokenizer.encode_batch(texts)
        ids = np.array([encoding.ids for encoding in encodings], np.int64)
        mask = np.array([encoding.attention_mask for encoding in encodings], np.int64)
        given = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        return {value.name: given[value.name] for value in self._session.get_inputs()}

    def vectors(self, texts: list[str]) -> np.ndarray:
        """Return a vector for each text, float32 ``[texts, n]``."""
        feed = self.feed(texts)
        output = np.asarray(self._session.run(None, feed)[0])
        if output.ndim == 3:  # one a token
            mask = feed["attention_mask"][:, :, None]
            output = (output * mask).sum(axis=1) / mask.sum(axis=1)
        return np.asarray(output / np.linalg.norm(output, axis=1, keepdims=True))


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("tokenizer", type=click.Path(path_type=Path))
@click.argument("texts", type=click.Path(path_type=Path))
@click.argument("queries", nargs=-1, required=True)
@click.option("--target-size", default="10x", show_default=True, help="The size of the small model.")
@click.option("-o", "--output", type=click.Path(path_type=Path), default=Path("encoder.onnx"), show_default=True)
def main(model: Path, tokenizer: Path, texts: Path, queries: tuple[str, ...], target_size: str, output: Path) -> None:
    """Compress MODEL, and search TEXTS for each of the QUERIES with both."""
    lines = [line for line in texts.read_text(encoding="utf-8").splitlines() if line.strip()]
    large = Encoder(model, tokenizer)
    onnxdc.compress(model, data=large.feed(lines[:CALIBRATED_ON]), target_size=target_size).save(output)
    small = Encoder(output, tokenizer)

    print(f"{model.stat().st_size:,} bytes became {output.stat().st_size:,}")
    before, after = large.vectors(lines), small.vectors(lines)
    print(f"cosine of the vectors of a text, before and after: {np.sum(before * after, axis=1).mean():.4f} on average")
    for query in queries:
        found, again = (_best(encoder.vectors([query])[0], all_) for encoder, all_ in ((large, before), (small, after)))
        print(f"\n{query}: {len(set(found) & set(again))} of {SHOWN} are the same")
        for place in again:
            print(f"  {after[place] @ small.vectors([query])[0]:.3f}  {lines[place]}")


def _best(query: np.ndarray, vectors: np.ndarray) -> list[int]:
    return [int(place) for place in np.argsort(-(vectors @ query), kind="stable")[:SHOWN]]


if __name__ == "__main__":
    main()
