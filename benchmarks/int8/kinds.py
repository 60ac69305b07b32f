"""The kinds of quantised models that are coded: as onnxruntime and NNCF write them."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final

import onnx
import onnx.version_converter
from onnxruntime.quantization import QuantFormat, QuantType, quantize_dynamic, quantize_static
from onnxruntime.quantization.matmul_nbits_quantizer import DefaultWeightOnlyQuantConfig, MatMulNBitsQuantizer
from onnxruntime.quantization.shape_inference import quant_pre_process

from common.sessions import Feed
from peers.int8 import Quantizer, Reader, nncf

_FOUR_BITS_OPSET: Final = 21  # the first whose DequantizeLinear takes blocks, and INT4
_BLOCK: Final = 32


@dataclass(frozen=True)
class Kind:
    """A model in integers.

    Attributes:
        model: The model that it is made of.
        name: What is done to that.
        write: What does it.
        package: The package that this takes, beyond onnxruntime.
    """

    model: str
    name: str
    write: Quantizer = field(repr=False)
    package: str = ""

    @property
    def key(self) -> str:
        """What to call it."""
        return f"{self.model} {self.name}"


def all_kinds() -> list[Kind]:
    """Return all kinds, in the order of the table."""
    static = {
        f"{'QDQ' if form is QuantFormat.QDQ else 'QOperator'} {'channel' if channel else 'tensor'}": partial(
            _static, quant_format=form, per_channel=channel
        )
        for form in (QuantFormat.QDQ, QuantFormat.QOperator)
        for channel in (False, True)
    }
    unsigned = partial(_dynamic, weight_type=QuantType.QUInt8)
    signed = partial(_dynamic, weight_type=QuantType.QInt8, per_channel=True)
    resnet56 = {name: write for name, write in static.items() if name != "QOperator channel"}
    return [
        *(Kind("squeezenet", name, write) for name, write in static.items()),
        Kind("squeezenet", "dynamic unsigned", unsigned),
        Kind("squeezenet", "dynamic signed", signed),
        Kind("squeezenet", "NNCF", nncf, "nncf"),
        *(Kind("resnet56", name, write) for name, write in resnet56.items()),
        Kind("resnet56", "dynamic unsigned", unsigned),
        Kind("minilm", "dynamic unsigned", unsigned),
        Kind("minilm", "dynamic signed", signed),
        Kind("minilm", "MatMulNBits", _four_bits),
        Kind("minilm", "INT4 QDQ", partial(_four_bits, quant_format=QuantFormat.QDQ)),
    ]


def _static(dense: Path, path: Path, feeds: Sequence[Feed], **options: Any) -> None:
    with tempfile.TemporaryDirectory() as folder:
        prepared = Path(folder, "prepared.onnx")
        quant_pre_process(str(dense), str(prepared), skip_symbolic_shape=True)
        types = {"activation_type": QuantType.QUInt8, "weight_type": QuantType.QInt8}
        quantize_static(prepared, path, Reader(feeds), **types, **options)


def _dynamic(dense: Path, path: Path, feeds: Sequence[Feed], **options: Any) -> None:
    with tempfile.TemporaryDirectory() as folder:
        prepared = Path(folder, "prepared.onnx")
        quant_pre_process(str(dense), str(prepared), skip_symbolic_shape=True)
        quantize_dynamic(prepared, path, **options)


def _four_bits(dense: Path, path: Path, feeds: Sequence[Feed], quant_format: QuantFormat | None = None) -> None:
    """Put matrices in 4 bits: packed for an operator of onnxruntime, tables too, or as INT4 behind DequantizeLinear."""
    model = onnx.version_converter.convert_version(onnx.load(dense), _FOUR_BITS_OPSET)
    options: dict[str, Any] = {"block_size": _BLOCK, "is_symmetric": True}
    if quant_format is None:
        axes = (("MatMul", 0), ("Gather", 1))
        quantizer = MatMulNBitsQuantizer(model, op_types_to_quantize=("MatMul", "Gather"), quant_axes=axes, **options)
    else:
        config = DefaultWeightOnlyQuantConfig(quant_format=quant_format, op_types_to_quantize=("MatMul",), **options)
        quantizer = MatMulNBitsQuantizer(model, algo_config=config)
    quantizer.process()
    quantizer.model.save_model_to_file(str(path), use_external_data_format=False)
