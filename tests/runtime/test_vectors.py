"""Every stored vector, read by every decoder: the Python one, the native one, and the portable body in two runtimes."""

from __future__ import annotations

import ctypes
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx.reference import ReferenceEvaluator

from onnxdc import native
from onnxdc.domain.portable import portable_functions
from onnxdc.errors import FormatError
from onnxdc.numeric.decoding import decode_weight
from onnxdc.numeric.encoding import encode_weight
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


def assert_same_bits(found: np.ndarray, expected: np.ndarray) -> None:
    """Equal type, shape and bit patterns, so that -0.0 differs from 0.0."""
    assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
    assert found.tobytes() == expected.tobytes()


def with_body(path: Path) -> onnx.ModelProto:
    """The vector with today's portable body."""
    model = onnx.load(path)
    chunk_size = vector_file.from_model(model).chunk_size
    attributes = [attribute.name for attribute in model.graph.node[0].attribute]
    model.functions.extend(portable_functions(["DecodeWeight"], 17, chunk_size, attributes))
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
    """The elements of a value on the CPU, bfloat16 included, which onnxruntime's own conversion to numpy refuses."""
    raw = ctypes.string_at(value.data_ptr(), value.tensor_size_in_bytes()) if value.tensor_size_in_bytes() else b""
    return np.frombuffer(raw, vector_file.numpy_type(value.element_type())).reshape(value.shape())


@good_vectors
def test_portable_body_in_the_reference_evaluator_yields_the_expected_bits(path):
    model = with_body(path)
    onnx.checker.check_model(model)
    (found,) = ReferenceEvaluator(model).run(None, {})
    assert_same_bits(found, vector_file.load_expected(path))


@good_vectors
def test_what_the_encoder_writes_is_read_by_the_slow_decoder(path):
    weight, array = vector_file.load(path), vector_file.load_expected(path)
    group_axis = weight.group_axis if len(weight.codebook) > 1 else 0
    encoded = encode_weight(array, index_bits=weight.index_bits, chunk_size=weight.chunk_size, group_axis=group_axis)
    assert_same_bits(slow_decoder.decode(encoded), array)


@bad_vectors
@decoders
def test_bad_vector_is_rejected_by_its_rule(path, decode):
    with pytest.raises(FormatError) as error:
        decode(vector_file.load(path))
    assert error.value.rule == rule_of(path)


@decoders
@pytest.mark.parametrize("stream", ["codes", "gaps"])
def test_stream_of_two_to_the_28_less_16_bytes_is_rejected(decode, stream):
    weight = vector_file.load(VECTORS / "good" / "typical.onnx")
    oversize = replace(weight, **{stream: np.zeros(2**28 - 16, np.uint8)})
    with pytest.raises(FormatError) as error:
        decode(oversize)
    assert error.value.rule == "stream-size"


def test_every_rule_of_the_format_has_a_vector():
    page = (VECTORS.parents[1] / "docs" / "format.md").read_text()
    table = page[page.index("## 6.") : page.index("## 7.")]
    rules = {line.split("`")[1] for line in table.splitlines() if line.startswith("| `")}
    assert {rule_of(path) for path in BAD} == rules - {"stream-size"}
