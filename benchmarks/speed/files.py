"""The files that a row of the speed table is measured on, and what a run of ours reads of them."""

from __future__ import annotations

import dataclasses
import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import onnxdc
from speed.cases import Case
from speed.net import Net, Use

# Bytes of weights that a native run reads for each nonzero (custom_ops/layouts): windows for few vectors, of floats or
# of bytes, else tiles or lanes.
_WINDOW_BYTES: Final = 2.2
_BYTE_WINDOW_BYTES: Final = 1.8
_TILE_BYTES: Final = 6.3
_LANE_BYTES: Final = 3.1
_WINDOW_VECTORS: Final = 4
_BYTE_WINDOW_VECTORS: Final = 2
_DENSE_BYTES: Final = 4.0  # an element of a weight that is decoded
_ACTIVATION_BYTES: Final = 4.0
_HERE: Final = Path(__file__).parent
_PACKAGE: Final = Path(onnxdc.__file__).parent
# What makes the files, with whatever lies below the folders.
_SOURCES: Final = (
    *(_HERE / name for name in ("architectures.py", "net.py", "../common/onnx_models.py")),
    *(path for room in ("domain", "graph", "numeric", "passes") for path in (_PACKAGE / room).rglob("*.py")),
)


@dataclass(frozen=True)
class Layer:
    """A weight, and what a native run does with it.

    Attributes:
        elements: How many elements the weight has.
        nonzeros: How many of them are not zero.
        sparse: Whether its operator runs on the compressed weight.
        integers: Whether it computes with integers.
        vectors: See ``net.Use``.
        products: See ``net.Use``.
        activations: See ``net.Use``.
    """

    elements: int
    nonzeros: int
    sparse: bool
    integers: bool
    vectors: int
    products: float
    activations: int

    @property
    def flops(self) -> float:
        """The operations of a run: a multiplication and an addition for each product of a nonzero."""
        return 2 * self.nonzeros * self.products

    @property
    def weight_bytes(self) -> float:
        """The bytes that a run reads of the weight, about: all of it once."""
        if not self.sparse:
            return self.elements * _DENSE_BYTES
        if self.integers:
            return self.nonzeros * (_BYTE_WINDOW_BYTES if self.vectors <= _BYTE_WINDOW_VECTORS else _LANE_BYTES)
        return self.nonzeros * (_WINDOW_BYTES if self.vectors <= _WINDOW_VECTORS else _TILE_BYTES)

    @property
    def touched_bytes(self) -> float:
        """The bytes of the weight, the input and the output: each once."""
        return self.weight_bytes + self.activations * _ACTIVATION_BYTES


@dataclass(frozen=True)
class Files:
    """What a row is measured on.

    Attributes:
        dense: The model, pruned and shared.
        small: The same, encoded.
        layers: The layers with weights.
    """

    dense: Path
    small: Path
    layers: Sequence[Layer]


def prepare(case: Case, folder: Path) -> Files:
    """Return the files of a row, made anew if they are older than the code that makes them."""
    dense, small, facts = (folder / f"{case.name}.{end}" for end in ("dense.onnx", "small.onnx", "json"))
    if not facts.is_file() or facts.stat().st_mtime < max(source.stat().st_mtime for source in _SOURCES):
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as scratch:  # whoever reads the files sees whole ones
            _make(case, *(Path(scratch, path.name) for path in (dense, small, facts)))
            for path in (dense, small, facts):
                Path(scratch, path.name).replace(path)
    return Files(dense, small, [Layer(**layer) for layer in json.loads(facts.read_text(encoding="utf-8"))])


def write_dense(case: Case, path: Path) -> dict[str, Use]:
    """Make the dense model of a row, and return what becomes of its weights."""
    net = Net(case.shape)
    path.write_bytes(net.to_proto(case.build(net)).SerializeToString())
    return net.uses


def _make(case: Case, dense: Path, small: Path, facts: Path) -> None:
    uses = write_dense(case, dense)
    encoded = onnxdc.encode(dense, activation="dynamic" if case.integers else None, execution=case.execution)
    encoded.save(small)
    layers = [
        Layer(row.size, row.nnz, row.runs_sparse, row.execution == "dynamic", *uses[row.name])
        for row in encoded.report.rows
        if row.name in uses  # not what layers add or multiply by, such as the scales of a normalization
    ]
    facts.write_text(json.dumps([dataclasses.asdict(layer) for layer in layers]), encoding="utf-8")
