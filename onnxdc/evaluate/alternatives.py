"""What else one could do to a model, done: int8 of onnxruntime, and packing by a general compressor."""

from __future__ import annotations

import gzip
import importlib.util
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import onnx_ir as ir

from onnxdc import model_io
from onnxdc.model_io import Source
from onnxdc.report.alternatives import Alternative
from onnxdc.runtime.quantizer import quiet_quantizer

_INT8: Final = "int8 (onnxruntime dynamic)"
_BEST_GZIP: Final = 9
_BEST_BROTLI: Final = 11
_REASON: Final = 200  # characters of what onnxruntime's quantizer says


def alternatives(original: Source, small: ir.Model) -> tuple[Alternative, ...]:
    """Return int8 of onnxruntime as it is and packed, and the compressed model packed.

    Weights in 8 bits are unsigned or signed, whichever packs better. Brotli packs if it is installed, else gzip.

    Args:
        original: The model that was compressed.
        small: What became of it.

    Raises:
        ModelError: The original cannot be read, or a copy of it cannot be written.
    """
    packer, pack = _packer()
    packed = Alternative(f"this file + {packer}", len(pack(model_io.to_proto(small).SerializeToString())))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.onnx")
        model_io.save(model_io.load(original), path)
        try:
            files = list(_int8_files(path))
        except Exception as error:  # of whatever kind: the quantizer refuses many models in many ways
            reason = f"onnxruntime cannot make it: {type(error).__name__}: {' '.join(str(error).split())}"
            return (Alternative(_INT8, None, reason[:_REASON]), packed)
    nbytes, best = min(((len(pack(file)), file) for file in files), key=lambda pair: pair[0])
    return (Alternative(_INT8, len(best)), Alternative(f"{_INT8} + {packer}", nbytes), packed)


def _int8_files(path: Path) -> Iterator[bytes]:
    """Yield a model with weights in 8 bits, unsigned and signed; files are written next to it."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    for kind in (QuantType.QUInt8, QuantType.QInt8):
        file = path.with_name(f"{kind.name}.onnx")
        with quiet_quantizer():
            quantize_dynamic(path, file, weight_type=kind)
        yield file.read_bytes()


def _packer() -> tuple[str, Callable[[bytes], bytes]]:
    """Return the name of a general compressor and what it does, at its best."""
    if importlib.util.find_spec("brotli") is None:
        return "gzip (brotli is not installed)", lambda content: gzip.compress(content, _BEST_GZIP, mtime=0)
    import brotli

    return "brotli", lambda content: bytes(brotli.compress(content, quality=_BEST_BROTLI))
