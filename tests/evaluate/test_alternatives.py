"""What else one could do, counted in files that are made here in another way."""

from __future__ import annotations

import gzip

import brotli
import onnxruntime
import pytest

import onnxdc
from onnxdc.evaluate import alternatives as room
from onnxdc.report.alternatives import Alternative
from tests.helpers.small_models import LENET


def found(**options) -> tuple[onnxdc.CompressionResult, dict[str, Alternative]]:
    result = onnxdc.compress(LENET, density=0.1, compare=True, check=False, **options)
    return result, {each.name: each for each in result.report.alternatives}


def test_int8_is_the_file_that_onnxruntime_writes(tmp_path):
    from onnxruntime.quantization import QuantType, quantize_dynamic

    files = []
    for kind in (QuantType.QUInt8, QuantType.QInt8):
        quantize_dynamic(LENET, tmp_path / "int8.onnx", weight_type=kind)
        files.append((tmp_path / "int8.onnx").read_bytes())
    result, told = found()
    assert told["int8 (onnxruntime dynamic)"].nbytes in [len(file) for file in files]
    packed = min(len(brotli.compress(file, quality=11)) for file in files)
    assert told["int8 (onnxruntime dynamic) + brotli"].nbytes == pytest.approx(
        packed, rel=0.001
    )  # names of files differ
    content = result.to_proto().SerializeToString()
    assert told["this file + brotli"].nbytes == len(brotli.compress(content, quality=11))
    assert str(result.report).count("compared: ") == 3
    assert [each["name"] for each in result.report.to_dict()["alternatives"]] == list(told)


def test_gzip_packs_where_brotli_is_missing(monkeypatch):
    monkeypatch.setattr(room.importlib.util, "find_spec", lambda name: None)
    result, told = found()
    name = "this file + gzip (brotli is not installed)"
    assert told[name].nbytes == len(gzip.compress(result.to_proto().SerializeToString(), 9, mtime=0))


def test_what_onnxruntime_refuses_is_said(monkeypatch):
    def refused(*_, **__):
        raise ValueError("no\nsuch operator")

    monkeypatch.setattr(onnxruntime.quantization, "quantize_dynamic", refused)
    told = found()[1]["int8 (onnxruntime dynamic)"]
    assert told.nbytes is None
    assert told.text == "int8 (onnxruntime dynamic): onnxruntime cannot make it: ValueError: no such operator"


def test_nothing_is_compared_unless_somebody_asks():
    assert onnxdc.compress(LENET, density=0.1, check=False).report.alternatives == ()


@pytest.mark.parametrize(
    ("nbytes", "text"), [(999, "a: 999 bytes"), (922_140, "a: 922 KB"), (10_170_000, "a: 10.2 MB")]
)
def test_bytes_are_told_in_units(nbytes, text):
    assert Alternative("a", nbytes).text == text
