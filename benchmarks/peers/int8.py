"""A model in int8 as other tools write it for onnxruntime, and what brotli makes of the file."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Final, TypeAlias

import onnx
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_dynamic, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

from common.sessions import Feed

Quantizer: TypeAlias = Callable[[Path, Path, Sequence[Feed]], None]
"""Writes another model: from the dense one, to a path, with feeds to calibrate on."""

_BEST: Final = 11  # quality of brotli


def brotli_bytes(path: Path) -> int:
    """Return the bytes of a file after brotli at its best."""
    import brotli

    return len(brotli.compress(path.read_bytes(), quality=_BEST))


def dynamic(dense: Path, path: Path, feeds: Sequence[Feed]) -> None:
    """Put weights in 8 bits by onnxruntime, activations as they come: unsigned or signed, what brotli makes smaller."""
    files: list[tuple[int, bytes]] = []
    for kind in (QuantType.QUInt8, QuantType.QInt8):
        quantize_dynamic(dense, path, weight_type=kind)
        files.append((brotli_bytes(path), path.read_bytes()))
    path.write_bytes(min(files)[1])


def static(dense: Path, path: Path, feeds: Sequence[Feed]) -> None:
    """Put weights and activations in 8 bits by onnxruntime (QDQ), with a scale for each channel of weights."""
    with tempfile.TemporaryDirectory() as folder:
        prepared = Path(folder, "prepared.onnx")
        quant_pre_process(str(dense), str(prepared), skip_symbolic_shape=True)
        quantize_static(
            *(prepared, path, Reader(feeds)),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
        )


def nncf(dense: Path, path: Path, feeds: Sequence[Feed]) -> None:
    """Put weights and activations in 8 bits by NNCF (QDQ)."""
    from nncf import Dataset, ModelType, quantize

    model = onnx.load(dense)
    is_transformer = any(node.op_type == "Softmax" for node in model.graph.node[:-1])
    kind = ModelType.TRANSFORMER if is_transformer else None
    with redirect_stdout(io.StringIO()):  # bars of progress
        onnx.save(quantize(model, Dataset(feeds), subset_size=len(feeds), model_type=kind), path)


class Reader(CalibrationDataReader):  # type: ignore[misc]
    """Feeds as onnxruntime takes them to calibrate on."""

    def __init__(self, feeds: Sequence[Feed]) -> None:
        self._feeds: Iterator[Feed] = iter(feeds)

    def get_next(self) -> Feed | None:
        """Return the next feed, None after the last."""
        return next(self._feeds, None)
