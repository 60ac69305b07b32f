"""The models of the table, and their inputs: some to calibrate on, others to judge by."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np

from common.sentences import need_tokenizers, padded, read_pairs, tokenize
from common.sessions import Feed
from common.trained import ZOO, Inputs, cifar10, imagenet, trained_models
from onnxdc.budget.dataset import LABELS, Data

SPLITS: Final = ("resnet56_split1", "resnet56_split2", "resnet56_split3")

_BATCH: Final = 50  # items in a run
_VAL: Final = 4000  # of the 10,000 test images of CIFAR-10
_EXAMPLES: Final = Path(__file__).parents[2] / "examples"
_DIGITS: Final = ("digits_cnn", "lenet_300_100")


@dataclass(frozen=True)
class Part:
    """Some of the inputs.

    Attributes:
        feeds: The inputs.
        labels: The right answer to each, or to each two of them; None where there are none.
        data: The same as ``compress`` takes them, with labels that are classes.
    """

    feeds: list[Feed]
    labels: np.ndarray | None
    data: Data = field(repr=False)


@dataclass(frozen=True)
class Items:
    """The inputs of a model, which no two of these share.

    Attributes:
        calibration: What to calibrate on, without labels.
        judging: What the figures of the table are of.
        val: What ``max_drop`` is kept to; that is what figures are of, unless they are of a drop that it promises.
    """

    calibration: list[Feed]
    judging: Part
    val: Part


@dataclass(frozen=True)
class Case:
    """A model.

    Attributes:
        name: Its name.
        file: Its file.
        inputs: The files that its inputs come from.
        metric: What is printed beside f: the name of a metric of ``compress``, None for nothing.
        load: What reads its inputs.
    """

    name: str
    file: Path
    inputs: tuple[Path, ...]
    metric: str | None
    load: Callable[[], Items] = field(repr=False)

    @property
    def files(self) -> list[Path]:
        """All files that it takes."""
        return [self.file, *self.inputs]


def all_cases(folder: Path, minilm: Path | None, tokenizer: Path | None) -> dict[str, Case]:
    """Return the models by their names, in the order of the table.

    Args:
        folder: The folder of the data.
        minilm: The file of all-MiniLM-L6-v2, ``minilm.onnx`` in the folder if None.
        tokenizer: Its tokenizer, ``tokenizer.json`` in the folder if None.
    """
    images, train, test = (
        folder / f"{name}.npz" for name in ("imagenet_sample_1000", "cifar10_train_5k", "cifar10_test")
    )
    tokenizer, pairs = tokenizer or folder / "tokenizer.json", folder / "stsb_test.tsv"
    digits = _EXAMPLES / "digits_test.npz"
    known = trained_models(folder, minilm)
    resnet = Case("resnet56", known["resnet56"].file, (train, test), "top1", partial(_resnet56, train, test))
    magika, *zoo = (known[name] for name in ("magika", *ZOO))
    cases = [
        Case("squeezenet", known["squeezenet"].file, (images,), "top1", partial(_squeezenet, images)),
        resnet,
        Case("minilm", known["minilm"].file, (tokenizer, pairs), "spearman", partial(_minilm, tokenizer, pairs)),
        *(
            replace(resnet, name=name, load=partial(_resnet56, train, test, split))
            for split, name in enumerate(SPLITS, 1)
        ),
        *(Case(model.name, model.file, tuple(model.files[1:]), None, partial(_halves, model.load)) for model in zoo),
        Case("magika", magika.file, tuple(magika.files[1:]), "top1", partial(_magika, magika.load)),
        *(Case(name, _EXAMPLES / f"{name}.onnx", (digits,), "top1", partial(_digits, digits)) for name in _DIGITS),
    ]
    return {case.name: case for case in cases}


def _squeezenet(path: Path) -> Items:
    """Draw 100 of 1,000 images of ImageNet to calibrate on; the others judge."""
    return _drawn(imagenet(path), 100)


def _resnet56(train: Path, test: Path, split: int = 0) -> Items:
    """Draw 500 training images of CIFAR-10 to calibrate on; 4,000 test images judge, or the 6,000 others in a split."""
    feeds, _ = _joined(cifar10(train))
    calibration = _batches(_rows(feeds, _order(len(feeds["input"]))[:500]))
    arrays, labels = _joined(cifar10(test))
    order = _order(len(labels), split)
    first, others = (_part(_rows(arrays, chosen), labels[chosen]) for chosen in (order[:_VAL], order[_VAL:]))
    return Items(calibration, others if split else first, first)


def _minilm(tokenizer: Path, path: Path) -> Items:
    """Draw 200 sentences of STS-B to calibrate on; the pairs that have none of them judge."""
    need_tokenizers()
    scores, sentences = read_pairs(path)
    tokens = tokenize(tokenizer, sentences)
    drawn = sorted(set(sentences))
    drawn = [drawn[index] for index in _order(len(drawn))[:200]]
    numbers = dict(zip(sentences, tokens, strict=True))
    calibration = [padded(part) for part in _parts(sorted((numbers[text] for text in drawn), key=len))]
    first, second = sentences[: len(scores)], sentences[len(scores) :]
    others = [index for index in range(len(scores)) if not {first[index], second[index]} & set(drawn)]
    others.sort(key=lambda index: len(numbers[first[index]]) + len(numbers[second[index]]))
    pairs = [numbers[text] for index in others for text in (first[index], second[index])]
    feeds = [padded(part) for part in _parts(pairs)]
    judging = Part(feeds, scores[others], feeds)
    return Items(calibration, judging, judging)


def _halves(load: Callable[[], Inputs]) -> Items:
    """Calibrate on every other feed, judge by the rest."""
    feeds = list(load().feeds())
    judging = Part(feeds[1::2], None, feeds[1::2])
    return Items(feeds[::2], judging, judging)


def _magika(load: Callable[[], Inputs]) -> Items:
    """Draw 76 of 152 files to calibrate on; the others judge."""
    inputs = load()
    return _drawn(inputs, len(inputs.labels) // 2 if inputs.labels is not None else 0)


def _digits(path: Path) -> Items:
    """Draw 100 of 359 digits to calibrate on; the others judge."""
    with np.load(path) as arrays:
        feeds, labels = _batches({"input": arrays["input"]}), arrays["labels"]
    return _drawn(Inputs(lambda: iter(feeds), feeds[0], labels), 100)


def _drawn(inputs: Inputs, count: int) -> Items:
    """Draw items to calibrate on; the others judge."""
    arrays, labels = _joined(inputs)
    order = _order(len(labels))
    calibration = _batches(_rows(arrays, order[:count]))
    judging = _part(_rows(arrays, order[count:]), labels[order[count:]])
    return Items(calibration, judging, judging)


def _order(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).permutation(count)


def _joined(inputs: Inputs) -> tuple[Feed, np.ndarray]:
    """Return all items in one feed, and their labels."""
    feeds = list(inputs.feeds())
    assert inputs.labels is not None, "the models with such inputs have labels"
    return {name: np.concatenate([feed[name] for feed in feeds]) for name in feeds[0]}, inputs.labels


def _part(arrays: Mapping[str, np.ndarray], labels: np.ndarray) -> Part:
    return Part(_batches(arrays), labels, {**arrays, LABELS: labels})


def _rows(arrays: Mapping[str, np.ndarray], chosen: np.ndarray) -> Feed:
    return {name: array[chosen] for name, array in arrays.items()}


def _batches(arrays: Mapping[str, np.ndarray]) -> list[Feed]:
    count = len(next(iter(arrays.values())))
    return [
        {name: array[start : start + _BATCH] for name, array in arrays.items()} for start in range(0, count, _BATCH)
    ]


def _parts(tokens: list[list[int]]) -> Iterator[list[list[int]]]:
    return (tokens[start : start + _BATCH] for start in range(0, len(tokens), _BATCH))
