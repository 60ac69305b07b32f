"""A record of fused nodes that nobody made by encoding is refused in one line, soon, and before it takes memory."""

from __future__ import annotations

import base64
import json
import time
import zlib
from collections.abc import Callable, Sequence

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from onnx import NodeProto, TensorProto, helper, numpy_helper

from onnxdc.domain.origin import KEY, Fused
from onnxdc.errors import ModelError
from onnxdc.model_io import load
from onnxdc.passes.decode import decode
from onnxdc.recipe import Options, Recipe
from tests.helpers.few_values import weight
from tests.helpers.passes import encode
from tests.helpers.text_models import build

SPARSE = Recipe(defaults=Options(execution="sparse"))
CHAIN = """g (float[M, 64] A) => (float[M, 48] Y) {
    P = MatMul(A, W)
    Q = Relu(P)
    R = MatMul(Q, V)
    Y = Relu(R)
}"""


@pytest.fixture
def encoded() -> onnx.ModelProto:
    """A model of two products, each with a Relu fused into it: P and Q, R and Y."""
    model = build(CHAIN, W=weight(64, 64), V=weight(64, 48, seed=1))
    encode(model, SPARSE)
    return ir.to_proto(model)


def forged(proto: onnx.ModelProto, record: onnx.GraphProto, **fields: object) -> ir.Model:
    """The model with another graph in its record."""
    entry = next(entry for entry in proto.metadata_props if entry.key == KEY)
    content = json.loads(entry.value)
    content["fused"]["graph"] = base64.b64encode(zlib.compress(record.SerializeToString(), 9)).decode()
    content["fused"]["nodes"] = list(range(len(record.node)))
    content["fused"]["initializers"] = list(range(len(record.initializer)))
    content["fused"] |= fields
    entry.value = json.dumps(content)
    return load(proto)


def nodes(*texts: str) -> list[NodeProto]:
    """Nodes, each written as ``"y = Op x z"``."""
    words = [text.split() for text in texts]
    return [helper.make_node(word[2], word[3:], [word[0]]) for word in words]


def refused(model: ir.Model) -> str:
    """What decoding says of the record."""
    start = time.monotonic()
    with pytest.raises(ModelError) as error:
        decode(model)
    assert time.monotonic() - start < 5
    text = str(error.value)
    assert "\n" not in text
    assert text.startswith("metadata entry onnxdc.origin: fused: ")
    return text.removeprefix("metadata entry onnxdc.origin: fused: ")


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["Q = Relu P", "Y = Add R Y"], "its nodes form a cycle"),
        (["Q = Add P a", "a = Relu b", "b = Relu a", "Y = Relu R"], "its nodes form a cycle"),
        (["Q = Add P Y", "Y = Relu R"], "its nodes and those of the model form a cycle"),
        (["Q = Relu P", "Y = Add R S"], "does not end what takes one product"),
        (["Q = Relu P", "Y = Relu A"], "does not end what takes one product"),
        (["Q = Relu P", "Y = Relu P"], "does not end what takes one product"),
        (["Q = Relu P", "Q = Relu P", "Y = Relu R"], "expected nodes and initializers that each make"),
        (["Q = Relu P", "A = Relu P", "Y = Relu R"], "A: expected a new name, got one that the model has"),
        (["Q = Relu P", "z = Relu nowhere", "Y = Relu R"], "the model has no value nowhere"),
        (["Q = Relu P"], "expected 2 nodes that others are in, got 1"),
        (
            ["Q = Relu P", "Y = Relu R", *(f"z{i} = Relu P" for i in range(70))],
            "at most 64 nodes of 2 operators, got 72",
        ),
    ],
)
def test_nodes_that_fit_nothing(encoded, texts, message):
    assert message in refused(forged(encoded, onnx.GraphProto(node=nodes(*texts))))


def test_a_ladder_is_climbed_once(encoded):
    steps = [f"a{i + 1} = Add a{i} a{i}" for i in range(1, 50)]
    record = onnx.GraphProto(node=nodes("a1 = Add P P", *steps, "Q = Relu a50", "Y = Relu R"))
    start = time.monotonic()
    result = decode(forged(encoded, record))
    assert time.monotonic() - start < 5
    assert len(result.model.graph) == 54


def with_graph(node: NodeProto) -> None:
    node.attribute.append(helper.make_attribute("body", onnx.GraphProto(name="inner")))


def with_reference(node: NodeProto) -> None:
    node.attribute.add(name="alpha", ref_attr_name="alpha", type=onnx.AttributeProto.FLOAT)


def of_another_domain(node: NodeProto) -> None:
    node.domain = "onnxdc"


def without_output(node: NodeProto) -> None:
    del node.output[:]


def with_giant_tensor(node: NodeProto) -> None:
    tensor = TensorProto(name="t", data_type=TensorProto.FLOAT, dims=[2**31, 2**31])
    node.attribute.append(helper.make_attribute("value", tensor))


def with_a_name_of_no_text(node: NodeProto) -> None:
    node.MergeFromString(b"\x1a\x02\xff\xfe")  # the field ``name``


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (with_graph, "Relu: expected no graph and no reference in body"),
        (with_reference, "Relu: expected no graph and no reference in alpha"),
        (of_another_domain, "expected standard nodes with outputs, got onnxdc.Relu"),
        (without_output, "expected standard nodes with outputs, got .Relu"),
        (with_giant_tensor, "t: expected a tensor with its data"),
        (with_a_name_of_no_text, "graph is no packed GraphProto"),
    ],
)
def test_nodes_that_are_never_fused(encoded, change: Callable[[NodeProto], None], message):
    record = onnx.GraphProto(node=nodes("Q = Relu P", "Y = Relu R"))
    change(record.node[0])
    assert message in refused(forged(encoded, record))


@pytest.mark.parametrize(
    "tensor",
    [
        TensorProto(name="c", data_type=1, data_location=TensorProto.EXTERNAL),
        TensorProto(name="c", data_type=1, dims=[-1], raw_data=b"1234"),
        TensorProto(name="c", data_type=1, dims=[2], raw_data=b"1234"),
        TensorProto(name="c", data_type=99, dims=[1], raw_data=b"1234"),
        TensorProto(name="c", dims=[], raw_data=b"1234"),
    ],
)
def test_constants_without_their_data(encoded, tensor):
    record = onnx.GraphProto(node=nodes("Q = Relu P", "Y = Relu R"), initializer=[tensor])
    assert "c: expected a tensor with its data" in refused(forged(encoded, record))


def test_a_constant_of_a_name_that_the_model_has(encoded):
    taken = numpy_helper.from_array(np.zeros(1, np.float32), encoded.graph.initializer[0].name)
    record = onnx.GraphProto(node=nodes("Q = Relu P", "Y = Relu R"), initializer=[taken])
    assert "expected a new name" in refused(forged(encoded, record))


def test_a_record_that_unpacks_to_too_much(encoded):
    record = onnx.GraphProto(node=nodes("Q = Relu P", "Y = Relu R"), doc_string="a" * 10**8)
    assert "expected a graph of at most" in refused(forged(encoded, record))


@pytest.mark.parametrize("graph", ["", "no base64", "AAAA", base64.b64encode(zlib.compress(b"\xff" * 100)).decode()])
def test_what_is_no_graph(encoded, graph):
    model = forged(encoded, onnx.GraphProto(node=nodes("Q = Relu P", "Y = Relu R")), graph=graph)
    assert refused(model)


def test_a_long_chain_of_fused_residuals_takes_no_time(encoded):
    """Each takes the sum before twice over, so there are 2^n ways back to the input."""
    text = ["P0 = MatMul(A, W)", "S0 = Sigmoid(P0)", "Y0 = Mul(P0, S0)"]
    for i in range(1, 40):
        text += [f"P{i} = MatMul(Y{i - 1}, W)", f"S{i} = Sigmoid(P{i})", f"Y{i} = Mul(P{i}, S{i})"]
    body = "\n".join([*text, "Y = Identity(Y39)"])
    model = build(f"g (float[M, 64] A) => (float[M, 64] Y) {{ {body} }}", W=weight(64, 64))
    before = ir.to_proto(model)
    encode(model, SPARSE)
    assert sum(node.op_type == "SparseQuantMatMulSilu" for node in model.graph) == 40
    start = time.monotonic()
    decode(model)
    assert time.monotonic() - start < 10
    assert ir.to_proto(model) == before


@pytest.mark.parametrize("counts", [(1, 0), (0, 1), (40, 40)])
def test_every_record_that_is_made_can_be_read(counts: Sequence[int]):
    """Long texts that repeat pack better than a record may; so they are not packed."""
    made, constants = counts
    graph = onnx.GraphProto(
        node=nodes(*(f"a{i} = Relu b{i}" for i in range(made + 1))),
        initializer=[numpy_helper.from_array(np.zeros(3, np.float32), f"c{i}") for i in range(constants)],
        doc_string="x" * 10**7,
    )
    fused = Fused.of(graph, list(range(made + 1)), [0], list(range(constants)))
    assert fused.unpack(operators=3) == graph
