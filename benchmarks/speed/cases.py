"""The rows of the speed table, in its order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Final, Literal

import numpy as np

from common.onnx_models import Shape
from common.sessions import Feed
from common.turns import NOT_SLOWER
from speed import architectures
from speed.net import INPUT, Net, Value

# Of max|a - b| / max|b|, b being the outputs of the dense model.
_TOLERANCE: Final = 1e-4
_INTEGERS_TOLERANCE: Final = 5e-2
_INTEGER_NETWORKS_TOLERANCE: Final = 0.1  # inputs are rounded in each of up to 72 layers


@dataclass(frozen=True)
class Case:
    """One row.

    Attributes:
        name: Its name, which no other row has.
        shape: The shape of the input.
        build: What makes the layers of the model and answers its output.
        must: The ratio to dense onnxruntime that one thread must reach.
        aim: The ratio that it should reach.
        light: Whether what loading takes has goals, too.
        integers: Whether activations may become integers.
        execution: How its layers run, which a single one is not asked by the cost model.
    """

    name: str
    shape: Shape
    build: Callable[[Net], Value] = field(repr=False)
    must: float
    aim: float
    light: bool = False
    integers: bool = False
    execution: Literal["auto", "sparse"] = "auto"

    @property
    def tolerance(self) -> float:
        """The error that its outputs may have."""
        if not self.integers:
            return _TOLERANCE
        return _INTEGERS_TOLERANCE if self.execution == "sparse" else _INTEGER_NETWORKS_TOLERANCE

    def feed(self) -> Feed:
        """Make the input: normal numbers from a fixed seed."""
        return {INPUT: np.random.default_rng(1).standard_normal(self.shape, np.float32)}


def speed_cases() -> dict[str, Case]:
    """Return all rows, by their names."""
    fc = (4096, 4096, 1000)
    alexnet_fc = partial(architectures.fc_chain, outputs=fc, densities=(0.09, 0.09, 0.25))
    vgg_fc = partial(architectures.fc_chain, outputs=fc, densities=(0.04, 0.04, 0.23))
    lenet300 = partial(architectures.fc_chain, outputs=(300, 100, 10), densities=(0.08, 0.09, 0.26))
    image = (1, 3, 224, 224)
    rows = [
        Case("alexnet_fc", (1, 9216), alexnet_fc, 12, 18),
        Case("vgg16_fc", (1, 25088), vgg_fc, 16, 25),
        Case("alexnet_fc_int8", (1, 9216), alexnet_fc, 25, 40, integers=True, execution="sparse"),
        Case("vgg16_fc_int8", (1, 25088), vgg_fc, 35, 60, integers=True, execution="sparse"),
        *(
            Case(
                f"fc_9216_4096_09_b{batch}",
                (batch, 9216),
                partial(architectures.single_gemm, outputs=4096, density=0.09),
                must,
                aim,
            )
            for batch, must, aim in ((16, 6, 9), (64, 7, 10))
        ),
        *(
            Case(
                f"fc_{k}_{n}_10_t128",
                (128, k),
                partial(architectures.single_matmul, outputs=n, density=0.10),
                4.5,
                6.5,
            )
            for k, n in ((768, 3072), (3072, 768))
        ),
        *(
            Case(
                f"fc_{k}_4096_09_b{batch}_int8",
                (batch, k),
                partial(architectures.single_gemm, outputs=4096, density=0.09),
                must,
                aim,
                integers=True,
                execution="sparse",
            )
            for k, batch, must, aim in (
                (9216, 4, 20, 30),
                (9216, 16, 13, 22),
                (9216, 64, 13, 17),
                (25088, 8, 12, 20),
                (25088, 64, 12, 16),
            )
        ),
        *(
            Case(
                f"fc_{k}_{n}_{percent}_t128_int8",
                (128, k),
                partial(architectures.single_matmul, outputs=n, density=percent / 100),
                must,
                aim,
                integers=True,
                execution="sparse",
            )
            for k, n, percent, must, aim in ((768, 3072, 10, 11, 15), (3072, 768, 10, 12, 17), (768, 3072, 35, 5, 6.5))
        ),
        *_conv_cases(3, 256, 14, (2.15, 3.1, 5, 8), (2.3, 3.3, 6, 10)),
        *_conv_cases(3, 64, 56, (1.5, 2.1, 4, 7), (2, 3, 5.5, 9)),
        *_conv_cases(1, 512, 28, (1.9, 2.8, 5, 7.5), (2.5, 3.6, 7, 10)),
        *_conv_cases(3, 256, 14, (5, 7, 11, 14), (6.3, 9, 14.5, 20), integers=True),
        *_conv_cases(3, 64, 56, (4, 5.5, 7.5, 9), (5.3, 7, 10, 13), integers=True),
        *_conv_cases(1, 512, 28, (4.3, 6, 8, 9), (5.7, 7.8, 11, 13.5), integers=True),
        Case("alexnet", (1, 3, 227, 227), architectures.alexnet, 2.4, 3.5, light=True),
        Case("vgg16", image, architectures.vgg16, 2.35, 2.8),
        Case("resnet50_10", image, partial(architectures.resnet50, density=0.10), 3, 4.5),
        Case("bert_10", (1, 128, 768), partial(architectures.bert, density=0.10), 4.9, 5.2),
        Case("bert_20", (1, 128, 768), partial(architectures.bert, density=0.20), 2.6, 3.2),
        Case("alexnet_int8", (1, 3, 227, 227), architectures.alexnet, 4.2, 5.5, integers=True),
        Case("vgg16_int8", image, architectures.vgg16, 4.7, 6, integers=True),
        *(
            Case(name, (images, 3, 224, 224), partial(architectures.resnet50, density=0.10), 4, 5.5, integers=True)
            for name, images in (("resnet50_10_int8", 1), ("resnet50_10_b8_int8", 8))
        ),
        *(
            Case(
                f"{name}_{percent}_int8",
                (1, 128, width),
                partial(architectures.bert, density=percent / 100, layers=layers),
                must,
                aim,
                integers=True,
            )
            for name, width, layers, percent, must, aim in (
                ("bert", 768, 12, 10, 7, 9),
                ("bert", 768, 12, 20, 5.5, 7),
                ("minilm", 384, 6, 60, 2.2, 2.6),
                ("minilm", 384, 6, 35, 2.7, 3.2),
                ("minilm", 384, 6, 20, 3.2, 3.7),
            )
        ),
        Case("lenet300", (1, 784), lenet300, NOT_SLOWER, NOT_SLOWER),
        Case("lenet5", (1, 1, 28, 28), architectures.lenet5, NOT_SLOWER, NOT_SLOWER),
    ]
    return {case.name: case for case in rows}


def _conv_cases(
    kernel: int,
    channels: int,
    size: int,
    musts: tuple[float, ...],
    aims: tuple[float, ...],
    *,
    integers: bool = False,
) -> list[Case]:
    return [
        Case(
            f"conv{kernel}x{kernel}_{channels}_{size}_{percent:02}" + ("_int8" if integers else ""),
            (1, channels, size, size),
            partial(architectures.single_conv, outputs=channels, kernel=kernel, density=percent / 100),
            must,
            aim,
            integers=integers,
            execution="sparse" if integers else "auto",
        )
        for percent, must, aim in zip((35, 22, 10, 5), musts, aims, strict=True)
    ]
