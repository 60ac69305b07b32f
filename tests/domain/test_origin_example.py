"""The worked example at the top of ``domain.origin``, read from the text itself: the entry must be what it says."""

from __future__ import annotations

import json
import re

import onnx
import onnx_ir as ir
import pytest

import onnxdc
from onnxdc import model_io
from onnxdc.domain import origin
from onnxdc.domain.origin import KEY, Origins

MODEL, ENTRY = re.findall(r"::\n\n((?:    .*\n)+)", origin.__doc__)


@pytest.fixture(scope="module")
def original() -> onnx.ModelProto:
    """Return the model of the example."""
    model = onnx.parser.parse_model(MODEL)
    model.graph.node[0].attribute[0].t.ClearField("name")  # which the parser sets to an empty text
    return model


@pytest.fixture(scope="module")
def encoded(original) -> onnxdc.CompressionResult:
    """Return the model, encoded for a sparse operator."""
    return onnxdc.encode(original, force=True, min_elements=0, execution="sparse")


def test_the_entry_is_that_of_the_text(encoded):
    entry = json.loads(encoded.model.metadata_props[KEY])
    expected = json.loads(ENTRY)
    graph, start = entry["fused"].pop("graph"), expected["fused"].pop("graph").removesuffix("...")
    assert graph.startswith(start)
    assert list(entry) == list(expected)
    assert entry == expected


def test_the_only_node_is_the_fused_operator(encoded):
    assert [node.op_type for node in encoded.model.graph] == ["SparseQuantMatMulRelu"]


def test_the_graph_holds_the_relu_and_the_name_of_its_input(encoded):
    [node] = Origins.take(encoded.model.clone()).fused.unpack(operators=1).node
    assert (node.op_type, node.input, node.output) == ("Relu", ["product"], ["y"])
    values = [value.name for node in encoded.model.graph for value in node.outputs]
    assert "product" not in values


def test_decoding_gives_the_model_back(original, encoded):
    assert onnxdc.decode(encoded.model).to_proto() == ir.to_proto(model_io.load(original))
