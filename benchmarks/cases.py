"""The rows of the benchmark table, in its order, and the files that they are measured on."""

from __future__ import annotations

import dataclasses
import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

import models
import numpy as np
from data import Feed
from net import INPUT, Net, Shape, Use, Value

import onnxdc

# Bytes of weights that a native run reads for each nonzero (custom_ops/layouts): windows for few vectors, else tiles.
_WINDOW_BYTES: Final = 2.2
_TILE_BYTES: Final = 6.3
_WINDOW_VECTORS: Final = 4
_DENSE_BYTES: Final = 4.0  # an element of a weight that is decoded
_ACTIVATION_BYTES: Final = 4.0
NOT_SLOWER: Final = 0.97  # a ratio that counts as no loss: what differs by less than 3 % is as fast
_PACKAGE: Final = Path(onnxdc.__file__).parent
_SOURCES: Final = (
    *(Path(__file__).with_name(name) for name in ("models.py", "net.py")),
    *(path for folder in ("passes", "numeric") for path in (_PACKAGE / folder).glob("*.py")),
)


@dataclass(frozen=True)
class Case:
    """One row.

    Attributes:
        name: unique.
        shape: of the input.
        build: makes the layers of the model, and answers its output.
        must: the ratio to dense onnxruntime that one thread must reach.
        aim: the ratio that it should reach.
        light: whether what loading takes has goals, too.
    """

    name: str
    shape: Shape
    build: Callable[[Net], Value] = field(repr=False)
    must: float
    aim: float
    light: bool = False

    def feed(self) -> Feed:
        return {INPUT: np.random.default_rng(1).standard_normal(self.shape, np.float32)}


@dataclass(frozen=True)
class Layer:
    """A weight, and what a native run does with it.

    Attributes:
        elements: of the weight.
        nonzeros: of these.
        sparse: whether its operator runs on the compressed weight.
        vectors, products, activations: see ``net.Use``.
    """

    elements: int
    nonzeros: int
    sparse: bool
    vectors: int
    products: float
    activations: int

    @property
    def flops(self) -> float:
        """A multiplication and an addition for each product of a nonzero."""
        return 2 * self.nonzeros * self.products

    @property
    def weight_bytes(self) -> float:
        """That a run reads, about: the weight once."""
        if not self.sparse:
            return self.elements * _DENSE_BYTES
        return self.nonzeros * (_WINDOW_BYTES if self.vectors <= _WINDOW_VECTORS else _TILE_BYTES)

    @property
    def touched_bytes(self) -> float:
        """Of the weight, the input and the output: each once."""
        return self.weight_bytes + self.activations * _ACTIVATION_BYTES


@dataclass(frozen=True)
class Files:
    """What a row is measured on.

    Attributes:
        dense: the model, pruned and shared.
        small: the same, encoded.
        layers: those with weights.
    """

    dense: Path
    small: Path
    layers: list[Layer]


def cases() -> list[Case]:
    """All rows."""
    fc = (4096, 4096, 1000)
    alexnet_fc = partial(models.fc_chain, outputs=fc, densities=(0.09, 0.09, 0.25))
    vgg_fc = partial(models.fc_chain, outputs=fc, densities=(0.04, 0.04, 0.23))
    lenet300 = partial(models.fc_chain, outputs=(300, 100, 10), densities=(0.08, 0.09, 0.26))
    image = (1, 3, 224, 224)
    return [
        Case("alexnet_fc", (1, 9216), alexnet_fc, 12, 18),
        Case("vgg16_fc", (1, 25088), vgg_fc, 16, 25),
        *(
            Case(
                f"fc_9216_4096_09_b{batch}",
                (batch, 9216),
                partial(models.single_gemm, outputs=4096, density=0.09),
                must,
                aim,
            )
            for batch, must, aim in ((16, 6, 9), (64, 7, 10))
        ),
        *(
            Case(f"fc_{k}_{n}_10_t128", (128, k), partial(models.single_matmul, outputs=n, density=0.10), 4.5, 6.5)
            for k, n in ((768, 3072), (3072, 768))
        ),
        *_conv_cases(3, 256, 14, (1.8, 2.4, 5, 8), (2.3, 3.2, 6, 10)),
        *_conv_cases(3, 64, 56, (1.5, 2.1, 4, 7), (2, 3, 5.5, 9)),
        *_conv_cases(1, 512, 28, (1.9, 2.8, 5, 7.5), (2.5, 3.6, 7, 10)),
        Case("alexnet", (1, 3, 227, 227), models.alexnet, 2.4, 3.5, light=True),
        Case("vgg16", image, models.vgg16, 2.15, 2.8),
        Case("resnet50_10", image, partial(models.resnet50, density=0.10), 3, 4.5),
        Case("bert_10", (1, 128, 768), partial(models.bert, density=0.10), 3.8, 5),
        Case("bert_20", (1, 128, 768), partial(models.bert, density=0.20), 2.6, 3.2),
        Case("lenet300", (1, 784), lenet300, NOT_SLOWER, NOT_SLOWER),
        Case("lenet5", (1, 1, 28, 28), models.lenet5, NOT_SLOWER, NOT_SLOWER),
    ]


def _conv_cases(kernel: int, channels: int, size: int, musts: tuple[float, ...], aims: tuple[float, ...]) -> list[Case]:
    return [
        Case(
            f"conv{kernel}x{kernel}_{channels}_{size}_{percent:02}",
            (1, channels, size, size),
            partial(models.single_conv, outputs=channels, kernel=kernel, density=percent / 100),
            must,
            aim,
        )
        for percent, must, aim in zip((35, 22, 10, 5), musts, aims, strict=True)
    ]


def prepare(case: Case, folder: Path) -> Files:
    """The files of a row, made anew if they are older than the code that makes them."""
    dense, small, facts = (folder / f"{case.name}.{end}" for end in ("dense.onnx", "small.onnx", "json"))
    if not facts.is_file() or facts.stat().st_mtime < max(source.stat().st_mtime for source in _SOURCES):
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as scratch:  # whoever reads the files sees whole ones
            _make(case, *(Path(scratch, path.name) for path in (dense, small, facts)))
            for path in (dense, small, facts):
                Path(scratch, path.name).replace(path)
    return Files(dense, small, [Layer(**layer) for layer in json.loads(facts.read_text(encoding="utf-8"))])


def _make(case: Case, dense: Path, small: Path, facts: Path) -> None:
    uses = _write_dense(case, dense)
    encoded = onnxdc.encode(dense)
    encoded.save(small)
    layers = [Layer(row.size, row.nnz, row.execution == "sparse", *uses[row.name]) for row in encoded.report.rows]
    facts.write_text(json.dumps([dataclasses.asdict(layer) for layer in layers]), encoding="utf-8")


def _write_dense(case: Case, path: Path) -> dict[str, Use]:
    """Make the dense model; what becomes of its weights."""
    net = Net(case.shape)
    path.write_bytes(net.to_proto(case.build(net)).SerializeToString())
    return net.uses
