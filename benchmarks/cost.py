"""How well ``onnxdc/passes/cost.py`` predicts where a sparse layer is faster: single layers, forced to be sparse.

For each layer and density: dense / ours on one thread with AVX-512 and with AVX2, as measured and as predicted, and
what encoding would decide. A decision that loses more than 3 % is marked. Takes a few minutes.

Usage: python benchmarks/cost.py [PATTERN ...]
"""

from __future__ import annotations

import argparse
import math
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path
from typing import Final

import models
from cases import Case, Files
from net import Net, Shape, Value
from timing import in_new_process, time_case

from onnxdc import model_io, native
from onnxdc.passes.cost import MARGIN, Layer, gain
from onnxdc.passes.encode import encode
from onnxdc.recipe import Recipe

DENSITIES: Final = (0.05, 0.2, 0.35, 0.5, 0.65)
TOLERATED: Final = 0.97  # of the dense speed


@dataclass(frozen=True)
class Sample:
    """A layer that is measured."""

    name: str
    shape: Shape
    layer: Layer
    build: Callable[..., Value] = field(repr=False)


def conv(inputs: int, outputs: int, size: int, kernel: int, groups: int = 1, stride: int = 1) -> Sample:
    """One image."""
    build = partial(_conv, outputs=outputs, kernel=kernel, groups=groups, stride=stride)
    name = f"conv{kernel}x{kernel}_{inputs}_{outputs}_{size}" + (f"_g{groups}" if groups > 1 else "")
    name += f"_s{stride}" if stride > 1 else ""
    taps = kernel * kernel
    layer = Layer(outputs, inputs // groups * taps, groups, taps, math.ceil(size / stride) ** 2)
    return Sample(name, (1, inputs, size, size), layer, build)


def gemm(rows: int, inputs: int, outputs: int) -> Sample:
    """A matrix product."""
    build = partial(models.single_gemm, outputs=outputs)
    return Sample(f"gemm_{rows}_{inputs}_{outputs}", (rows, inputs), Layer(outputs, inputs, positions=rows), build)


def _conv(net: Net, outputs: int, kernel: int, groups: int, stride: int, density: float) -> Value:
    return net.conv(net.x, outputs, kernel, density, stride=stride, groups=groups)


SAMPLES: Final = (
    conv(64, 64, 56, 1),
    conv(64, 256, 56, 1),
    conv(256, 64, 56, 1),
    conv(512, 512, 28, 1),
    conv(2048, 512, 7, 1),
    conv(16, 16, 112, 3),
    conv(32, 64, 56, 3),
    conv(64, 64, 56, 3),
    conv(256, 256, 14, 3),
    conv(512, 512, 7, 3),
    conv(128, 256, 28, 3, stride=2),
    conv(3, 64, 224, 3),
    conv(3, 96, 227, 11, stride=4),
    conv(96, 256, 27, 5, groups=2),
    conv(64, 64, 56, 3, groups=8),
    conv(128, 128, 28, 3, groups=128),
    conv(256, 64, 1, 1),
    gemm(1, 256, 64),
    gemm(1, 784, 300),
    gemm(1, 1024, 1024),
    gemm(1, 4096, 1000),
    gemm(1, 4096, 4096),
    gemm(8, 1024, 1024),
    gemm(16, 1024, 1024),
    gemm(128, 64, 64),
    gemm(128, 768, 768),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("patterns", nargs="*", default=["*"], metavar="PATTERN", help="of the names of layers")
    patterns = parser.parse_args().patterns
    isas = [isa for isa in native.supported_isas() if isa != "scalar"]
    print(f"{'layer':<26}{'density':>8}" + "".join(f"{isa:>8}" for isa in isas) + f"{'model':>8}  decision")
    for sample in SAMPLES:
        if any(fnmatchcase(sample.name, pattern) for pattern in patterns):
            for cells in measure(sample, isas):
                print(cells, flush=True)


def measure(sample: Sample, isas: list[str]) -> Iterator[str]:
    """A line of the table for each density."""
    for density in DENSITIES:
        with tempfile.TemporaryDirectory() as folder:
            files = in_new_process(write, sample, density, Path(folder))
            case = Case(sample.name, sample.shape, partial(sample.build, density=density), 1, 1)
            times = in_new_process(time_case, case, files, 1, isas, [], None)
        found = [times.ratio(isa) for isa in isas]
        predicted = gain(sample.layer, density)
        sparse = predicted * MARGIN > 1
        wrong = "  WRONG" if sparse and min(found) < TOLERATED else ""
        missed = "  missed" if not sparse and min(found) > 1 / TOLERATED else ""
        yield (
            f"{sample.name:<26}{density:>8.2f}"
            + "".join(f"{value:>8.2f}" for value in found)
            + f"{predicted:>8.2f}  {'sparse' if sparse else 'dense'}{wrong}{missed}"
        )


def write(sample: Sample, density: float, folder: Path) -> Files:
    """The dense and the encoded model of a layer."""
    net = Net(sample.shape)
    dense, small = folder / "dense.onnx", folder / "small.onnx"
    dense.write_bytes(net.to_proto(sample.build(net, density=density)).SerializeToString())
    model = model_io.load(dense)
    encode(model, Recipe().with_options(execution="sparse"), force=True)  # even where the file grows
    model_io.save(model, small)
    return Files(dense, small, [])


if __name__ == "__main__":
    main()
