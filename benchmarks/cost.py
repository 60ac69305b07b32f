"""How well ``onnxdc/passes/cost.py`` predicts where a sparse layer is faster: single layers, forced to be sparse.

Usage: python benchmarks/cost.py [PATTERN ...] [--density D ...] [--runs N]

For each layer and density: dense / ours on one thread with AVX-512 and with AVX2, as measured and as predicted, and
what encoding would decide. A decision that loses more than 3 % is marked. Takes a few minutes.
"""

from __future__ import annotations

import math
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

import onnxdc
from common.onnx_models import Shape
from common.process import in_new_process
from common.program import add_runs, choose_matching, make_parser, run
from common.turns import NOT_SLOWER
from onnxdc import native
from onnxdc.passes.cost import MARGIN, Layer, gain
from speed import architectures
from speed.cases import Case
from speed.files import Files, write_dense
from speed.net import Value
from speed.timing import time_case

DENSITIES: Final = (0.05, 0.2, 0.35, 0.5, 0.65)


@dataclass(frozen=True)
class Sample:
    """A layer that is measured.

    Attributes:
        name: Its name.
        shape: The shape of its input.
        layer: What the cost model knows of it.
        build: What makes its model, given a density.
    """

    name: str
    shape: Shape
    layer: Layer
    build: Callable[..., Value] = field(repr=False)

    def case(self, density: float) -> Case:
        """Return the layer at a density, with nothing to reach."""
        return Case(self.name, self.shape, partial(self.build, density=density), 1, 1)


def conv(inputs: int, outputs: int, size: int, kernel: int, groups: int = 1, stride: int = 1) -> Sample:
    """Make a convolution of one image."""
    build = partial(architectures.single_conv, outputs=outputs, kernel=kernel, groups=groups, stride=stride)
    name = f"conv{kernel}x{kernel}_{inputs}_{outputs}_{size}" + (f"_g{groups}" if groups > 1 else "")
    name += f"_s{stride}" if stride > 1 else ""
    taps = kernel * kernel
    layer = Layer(outputs, inputs // groups * taps, groups, taps, math.ceil(size / stride) ** 2)
    return Sample(name, (1, inputs, size, size), layer, build)


def gemm(rows: int, inputs: int, outputs: int) -> Sample:
    """Make a matrix product."""
    build = partial(architectures.single_gemm, outputs=outputs)
    return Sample(f"gemm_{rows}_{inputs}_{outputs}", (rows, inputs), Layer(outputs, inputs, positions=rows), build)


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


def main() -> int:
    """Measure the layers, and print a line for each density."""
    known = {sample.name: sample for sample in SAMPLES}
    parser = make_parser(__doc__)
    parser.add_argument("patterns", nargs="*", metavar="PATTERN", help="layers, such as 'conv*' or gemm_1_256_64")
    parser.add_argument("--density", nargs="+", type=float, default=DENSITIES, metavar="D", help="default: %(default)s")
    add_runs(parser)
    arguments = parser.parse_args()
    chosen = choose_matching(parser, arguments.patterns, known)
    isas = [isa for isa in native.supported_isas() if isa in ("avx512", "avx2", "neon")]  # floats have no others
    print(f"{'layer':<26}{'density':>8}" + "".join(f"{isa:>8}" for isa in isas) + f"{'model':>8}  decision")
    for name in chosen:
        for cells in measure(known[name], arguments.density, isas, arguments.runs):
            print(cells, flush=True)
    return 0


def measure(sample: Sample, densities: Sequence[float], isas: Sequence[str], runs: int | None) -> Iterator[str]:
    """Yield a line of the table for each density."""
    for density in densities:
        with tempfile.TemporaryDirectory() as folder:
            files = in_new_process(write, sample.case(density), Path(folder))
            times = in_new_process(time_case, sample.case(density), files, 1, isas, [], runs)
        measured = [times.ratio(isa) for isa in isas]
        predicted = gain(sample.layer, density)
        sparse = predicted * MARGIN > 1
        wrong = "  WRONG" if sparse and min(measured) < NOT_SLOWER else ""
        missed = "  missed" if not sparse and min(measured) > 1 / NOT_SLOWER else ""
        yield (
            f"{sample.name:<26}{density:>8.2f}"
            + "".join(f"{value:>8.2f}" for value in measured)
            + f"{predicted:>8.2f}  {'sparse' if sparse else 'dense'}{wrong}{missed}"
        )


def write(case: Case, folder: Path) -> Files:
    """Write the dense and the encoded model of a layer."""
    dense, small = folder / "dense.onnx", folder / "small.onnx"
    write_dense(case, dense)
    onnxdc.encode(dense, execution="sparse", force=True).save(small)  # even where the file grows
    return Files(dense, small, [])


if __name__ == "__main__":
    sys.exit(run(main))
