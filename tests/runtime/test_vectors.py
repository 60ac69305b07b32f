"""Every stored vector, read by every decoder: the Python one, the native one, and the portable body in two runtimes."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from onnxdc import native
from onnxdc.errors import FormatError
from onnxdc.numeric.decoding import decode_weight
from onnxdc.numeric.encoding import encode_weight, plain
from onnxdc.numeric.weight import CompressedWeight
from tests.helpers.portable_models import add_bodies, run_in_reference
from tests.vectors import slow_decoder, vector_file

VECTORS = Path(__file__).parents[1] / "vectors"
GOOD = sorted((VECTORS / "good").glob("*.onnx"))
BAD = sorted((VECTORS / "bad").glob("*.onnx"))
DECODERS = {"slow": slow_decoder.decode, "python": decode_weight, "native": native.decode_weight}

good_vectors = pytest.mark.parametrize("path", GOOD, ids=lambda path: path.stem)
bad_vectors = pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
decoders = pytest.mark.parametrize("decode", DECODERS.values(), ids=DECODERS)


def rule_of(path: Path) -> str:
    """The rule that a bad vector breaks, from its name."""
    return path.stem.split("--")[0]


def broken_rule(decode: Callable[[CompressedWeight], np.ndarray], weight: CompressedWeight) -> str:
    """The rule that a decoder names."""
    with pytest.raises(FormatError) as error:
        decode(weight)
    return error.value.rule


def assert_same_bits(found: np.ndarray, expected: np.ndarray) -> None:
    """Equal type, shape and bit patterns, so that -0.0 differs from 0.0."""
    assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
    assert found.tobytes() == expected.tobytes()


def with_body(path: Path) -> onnx.ModelProto:
    """The vector with today's portable body."""
    model = onnx.load(path)
    add_bodies(model, vector_file.from_model(model))
    return model


@good_vectors
@decoders
def test_good_vector_decodes_to_the_expected_bits(path, decode):
    assert_same_bits(decode(vector_file.load(path)), vector_file.load_expected(path))


@good_vectors
def test_portable_body_in_onnxruntime_yields_the_expected_bits(path):
    session = onnxruntime.InferenceSession(with_body(path).SerializeToString(), providers=["CPUExecutionProvider"])
    output = session.run_with_ort_values(["W"], {})[0]
    assert_same_bits(ort_array(output), vector_file.load_expected(path))


def ort_array(value: onnxruntime.OrtValue) -> np.ndarray:
    """The elements of a value on the CPU, of any type: onnxruntime's own conversion to numpy refuses some."""
    raw = ctypes.string_at(value.data_ptr(), value.tensor_size_in_bytes()) if value.tensor_size_in_bytes() else b""
    return vector_file.from_bytes(raw, value.element_type(), value.shape())


@good_vectors
def test_portable_body_in_the_reference_evaluator_yields_the_expected_bits(path):
    model = with_body(path)
    onnx.checker.check_model(model)
    assert_same_bits(run_in_reference(model), vector_file.load_expected(path))


@good_vectors
def test_what_the_encoder_writes_is_read_by_the_slow_decoder(path):
    weight, array = vector_file.load(path), vector_file.load_expected(path)
    group_axis = weight.group_axis if weight.groups > 1 else 0
    for gaps in (None, False, True):
        encoded = encode_weight(array, packet=weight.packet, group_axis=group_axis, gaps=gaps)
        assert_same_bits(slow_decoder.decode(encoded), array)
        assert_same_bits(slow_decoder.decode(plain(encoded)), array)


@bad_vectors
@decoders
def test_bad_vector_is_rejected_by_its_rule(path, decode):
    assert broken_rule(decode, vector_file.load(path)) == rule_of(path)


@decoders
@pytest.mark.parametrize("vector", ["typical", "plain_with_gaps"])
@pytest.mark.parametrize("stream", ["codes", "gaps"])
def test_stream_of_two_to_the_31_bytes_is_rejected(decode, stream, vector):
    weight = vector_file.load(VECTORS / "good" / f"{vector}.onnx")
    oversize = replace(weight, **{stream: np.zeros(2**31, np.uint8)})
    assert broken_rule(decode, oversize) == "packet-size"


@decoders
def test_codebook_of_two_to_the_31_elements_is_rejected(decode):
    weight = vector_file.load(VECTORS / "good" / "int8_dense.onnx")
    assert broken_rule(decode, replace(weight, codebook=np.zeros((2**23, 256), np.int8))) == "codebook-shape"


@decoders
def test_grid_of_two_to_the_31_products_is_rejected(decode):
    weight = vector_file.load(VECTORS / "good" / "grid_dense.onnx")
    oversize = replace(weight, codebook=np.zeros((1, 256), np.int8), step=np.ones((2**23, 1), np.float32))
    assert broken_rule(decode, oversize) == "codebook-shape"


def test_every_rule_of_the_format_has_a_vector():
    page = (VECTORS.parents[1] / "docs" / "format.md").read_text()
    table = page[page.index("## 7.") : page.index("## 8.")]
    rules = {line.split("`")[1] for line in table.splitlines() if line.startswith("| `")}
    assert {rule_of(path) for path in BAD} == rules
