"""Small vectors in two bytes an element: which are, that runtimes see the same bits, and what decode gives back."""

from __future__ import annotations

import json
from collections.abc import Callable

import ml_dtypes
import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime
import pytest
from onnx.reference import ReferenceEvaluator

from onnxdc.domain.origin import KEY
from onnxdc.errors import ModelError
from onnxdc.model_io import load
from onnxdc.passes.decode import decode
from onnxdc.passes.halves.narrow import byte_exponents
from onnxdc.recipe import Options, Recipe
from tests.helpers.few_values import weight
from tests.helpers.passes import encode
from tests.helpers.text_models import build, normal

LAYERS = """g (float[M, 64] A) => (float[M, 64] Y) {
    P = Gemm(A, V, B)
    Q = Relu(P)
    R = Gemm(Q, W, C)
    Y = Add(R, D)
}"""


def halves(n: int, seed: int = 0) -> np.ndarray:
    return normal(n, seed=seed).astype(np.float16).astype(np.float32)


def brains(n: int, seed: int = 0) -> np.ndarray:
    """Exact in bfloat16, and beyond float16."""
    return (normal(n, seed=seed) * 1e9).astype(ml_dtypes.bfloat16).astype(np.float32)


def eighths(n: int, seed: int = 0) -> np.ndarray:
    """Integers of a byte times an eighth; in float16 they would be exact, too."""
    return (np.random.default_rng(seed).integers(-127, 128, n) / 8).astype(np.float32)


def layers(opset: int = 17, **vectors: np.ndarray) -> onnx.ModelProto:
    usual = {"B": halves(64), "C": halves(64, 1), "D": halves(64, 2)}
    model = build(LAYERS, V=weight(64, 64), W=weight(64, 64, seed=1), **usual | vectors)
    proto = ir.to_proto(model)
    proto.opset_import[0].version = opset
    return proto


def encoded(proto: onnx.ModelProto, execution: str = "dense") -> ir.Model:
    model = load(proto)
    encode(model, Recipe(defaults=Options(execution=execution)), force=True)
    onnx.checker.check_model(ir.to_proto(model), full_check=True)
    return model


def joined(model: ir.Model) -> dict[str, list[str]]:
    """The names of vectors that come out of each joined tensor."""
    splits = [node for node in model.graph if node.op_type == "Split"]
    return {split.inputs[0].producer().inputs[0].name: [value.name for value in split.outputs] for split in splits}


@pytest.mark.parametrize("execution", ["dense", "sparse"])
@pytest.mark.parametrize("opset", [11, 12, 13, 17, 21])
@pytest.mark.parametrize("make", [halves, brains])
def test_runtimes_see_the_same_bits_and_decode_gives_them_back(
    make: Callable[..., np.ndarray], opset: int, execution: str
):
    dense = layers(opset, B=make(64), C=make(64, 1), D=make(64, 2))
    model = encoded(dense, execution)
    assert joined(model) == ({} if make is brains and opset < 13 else {"halves": ["B", "C", "D"]})
    small, feed = ir.to_proto(model), {"A": normal(3, 64, seed=5)}
    expected = onnxruntime.InferenceSession(dense.SerializeToString()).run(None, feed)[0]
    for level in (
        onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL,
        onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL,
    ):
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = level
        session = onnxruntime.InferenceSession(small.SerializeToString(), options)
        np.testing.assert_array_equal(session.run(None, feed)[0], expected)
    if opset != 12:  # once before sizes are an input is enough for the slow one
        reference = [ReferenceEvaluator(proto).run(None, feed)[0] for proto in (small, dense)]
        np.testing.assert_array_equal(*reference)
    assert ir.to_proto(decode(model).model) == ir.to_proto(load(dense))


def wide_layers(opset: int = 17, **vectors: np.ndarray) -> onnx.ModelProto:
    usual = {"B": eighths(128), "C": eighths(128, 1), "D": halves(128, 2)}
    model = build(LAYERS.replace("64", "128"), V=weight(128, 128), W=weight(128, 128, seed=1), **usual | vectors)
    proto = ir.to_proto(model)
    proto.opset_import[0].version = opset
    return proto


@pytest.mark.parametrize("opset", [11, 13, 17])
def test_integers_of_a_byte_times_a_power_of_two_take_a_byte_an_element(opset: int):
    dense = wide_layers(opset, B=eighths(128) / 4)
    model = encoded(dense)
    assert [tensor.const_value.dtype for name, tensor in model.graph.initializers.items() if name == "halves"] == [
        ir.DataType.FLOAT16
    ]
    dense = wide_layers(opset)
    model = encoded(dense)
    kept = {name: value.const_value for name, value in model.graph.initializers.items()}
    assert kept["halves"].dtype == ir.DataType.INT8
    assert kept["halves"].shape.numpy() == (256,)
    assert kept["halves.scale"].numpy() == 0.125
    small, feed = ir.to_proto(model), {"A": normal(3, 128, seed=5)}
    expected = onnxruntime.InferenceSession(dense.SerializeToString()).run(None, feed)[0]
    session = onnxruntime.InferenceSession(small.SerializeToString())
    np.testing.assert_array_equal(session.run(None, feed)[0], expected)
    reference = [ReferenceEvaluator(proto).run(None, feed)[0] for proto in (small, dense)]
    np.testing.assert_array_equal(*reference)
    assert ir.to_proto(decode(model).model) == ir.to_proto(load(dense))


def scale_of(array: np.ndarray) -> Callable[[onnx.ModelProto], object]:
    def change(proto: onnx.ModelProto) -> None:
        tensor(proto, "halves.scale").CopyFrom(onnx.numpy_helper.from_array(array, "halves.scale"))

    return change


def cast_to(kind: int) -> Callable[[onnx.ModelProto], object]:
    def change(proto: onnx.ModelProto) -> None:
        (cast,) = (node for node in proto.graph.node if "halves" in node.input)
        cast.attribute[0].i = kind

    return change


@pytest.mark.parametrize(
    "change",
    [
        lambda proto: node(proto, "Mul").input.__setitem__(1, "A"),
        cast_to(onnx.TensorProto.INT32),
        cast_to(onnx.TensorProto.DOUBLE),
        lambda proto: proto.graph.input.append(
            onnx.helper.make_tensor_value_info("halves.scale", onnx.TensorProto.FLOAT, [])
        ),
        scale_of(np.zeros(0, np.float32)),
        scale_of(np.ones(256, np.float32)),
        scale_of(np.float32(np.nan)),
        scale_of(np.float32(np.inf)),
        scale_of(np.float64(1)),
    ],
)
def test_a_scale_that_is_no_number_is_an_error(change: Callable[[onnx.ModelProto], object]):
    proto = ir.to_proto(encoded(wide_layers()))
    change(proto)
    with pytest.raises(ModelError, match="halves: expected a Cast and a Split"):
        decode(ir.from_proto(proto))


@pytest.mark.parametrize("seed", range(20))
def test_exponents_are_those_that_trying_them_finds(seed: int):
    rng = np.random.default_rng(seed)
    integers = rng.integers(-rng.integers(1, 300), rng.integers(1, 300), rng.integers(1, 6))
    array = (integers * 2.0 ** rng.integers(-20, 20)).astype(np.float32) + np.float32(0)
    scaled = {e: array / np.float64(2) ** e for e in range(-60, 60)}
    found = [e for e, numbers in scaled.items() if np.abs(numbers).max() <= 127 and (numbers % 1 == 0).all()]
    assert [e for e in byte_exponents(array) if -60 <= e < 60] == found


@pytest.mark.parametrize("value", [-0.0, np.nan, np.inf, 0.1, 1e-45])
def test_what_is_no_integer_of_a_byte_has_no_exponent(value: float):
    found = byte_exponents(np.array([1, value], np.float32))
    assert not len(found)
    assert not len(byte_exponents(np.array([1.0])))  # of float64


def test_doubles_are_joined_apart_and_only_what_is_exact():
    text = """g (float[M, 64] A, double[M, 64] E) => (float[M, 64] Y, double[M, 64] Z) {
        P = MatMul(A, W)
        Q = Add(P, B)
        R = Mul(Q, C)
        Y = Add(R, D)
        S = Mul(E, F)
        Z = Add(S, G)
    }"""
    zeros = np.where(np.arange(64) % 2, -0.0, 0.0).astype(np.float32)
    signalling = np.array([0x7FA00001], np.uint32).view(np.float32)
    model = build(
        text,
        W=weight(64, 64),
        B=zeros,
        C=np.concatenate([halves(63), signalling]),
        D=halves(64, 1),
        F=halves(64, 2).astype(np.float64),
        G=normal(64).astype(np.float64),
    )
    before = ir.to_proto(model)
    encode(model, force=True)
    assert joined(model) == {"halves": ["B", "D"], "halves_1": ["F"]}
    assert ir.to_proto(decode(model).model) == before


@pytest.mark.parametrize(
    "spoil",
    [
        lambda model: model.graph.inputs.append(model.graph.initializers["B"]),
        lambda model: model.graph.outputs.append(model.graph.initializers["B"]),
        lambda model: setattr(model.graph.initializers["B"].const_value.raw, "doc_string", "the first bias"),
    ],
    ids=["an input", "an output", "a text"],
)
def test_a_vector_that_is_more_than_its_values_stays(spoil: Callable[[ir.Model], None]):
    model = load(layers())
    spoil(model)
    before = ir.to_proto(model)
    encode(model, Recipe(defaults=Options(execution="dense")), force=True)
    assert joined(model) == {"halves": ["C", "D"]}
    assert ir.to_proto(decode(model).model) == before


def test_few_bytes_are_not_worth_two_nodes():
    model = encoded(layers(B=normal(64), C=normal(64), D=halves(64)))
    assert joined(model) == {}
    assert KEY not in model.metadata_props


def forged(change: Callable[[onnx.ModelProto, dict], None]) -> ir.Model:
    proto = ir.to_proto(encoded(layers()))
    entry = next(entry for entry in proto.metadata_props if entry.key == KEY)
    content = json.loads(entry.value)
    change(proto, content)
    entry.value = json.dumps(content)
    return ir.from_proto(proto)


def node(proto: onnx.ModelProto, op_type: str) -> onnx.NodeProto:
    return next(node for node in proto.graph.node if node.op_type == op_type)


def drop_output(proto: onnx.ModelProto, record: dict) -> None:
    """Leave out an output of the Split; what used it uses the first."""
    node(proto, "Split").output[1] = ""
    for user in proto.graph.node:
        user.input[:] = ["B" if name == "C" else name for name in user.input]


def move(proto: onnx.ModelProto, *op_types: str) -> None:
    """Move the Split, and what else is named, into one branch of an If; the other one yields zeros."""
    moved = [onnx.NodeProto.FromString(node(proto, op_type).SerializeToString()) for op_type in op_types]
    for op_type in op_types:
        proto.graph.node.remove(node(proto, op_type))
    names = list(moved[-1].output)
    inner, zero = [f"{name}.inner" for name in names], [f"{name}.zero" for name in names]
    moved[-1].output[:] = inner
    zeros = [onnx.helper.make_node("ConstantOfShape", ["shape"], [name]) for name in zero]
    branches = {
        branch: onnx.helper.make_graph(
            nodes, branch, [], [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [64]) for name in made]
        )
        for branch, nodes, made in (("then_branch", moved, inner), ("else_branch", zeros, zero))
    }
    proto.graph.node.insert(
        2 - len(moved), onnx.helper.make_node("If", ["true"], names, **branches)
    )  # after a Cast that stays
    proto.graph.initializer.append(onnx.numpy_helper.from_array(np.array(True), "true"))
    proto.graph.initializer.append(onnx.numpy_helper.from_array(np.array([64]), "shape"))


def tensor(proto: onnx.ModelProto, name: str) -> onnx.TensorProto:
    return next(tensor for tensor in proto.graph.initializer if tensor.name == name)


FORGERIES: dict[str, Callable[[onnx.ModelProto, dict], object]] = {
    "no such tensor": lambda proto, record: record.update(halves={"other": [1, 2, 3]}),
    "a place too few": lambda proto, record: record.update(halves={"halves": [1, 2]}),
    "no list": lambda proto, record: record.update(halves={"halves": 1}),
    "no indices": lambda proto, record: record.update(halves={"halves": ["1", "2", "3"]}),
    "no record": lambda proto, record: record.update(halves=[]),
    "another node": lambda proto, record: setattr(node(proto, "Cast"), "op_type", "Identity"),
    "another type": lambda proto, record: setattr(node(proto, "Cast").attribute[0], "i", 10),
    "no type": lambda proto, record: node(proto, "Cast").ClearField("attribute"),
    "sizes of more": lambda proto, record: tensor(proto, "halves.sizes").int64_data.__setitem__(0, 65),
    "a size below 0": lambda proto, record: tensor(proto, "halves.sizes").int64_data.__setitem__(0, -1),
    "no name": drop_output,
    "an input": lambda proto, record: proto.graph.input.append(
        onnx.helper.make_tensor_value_info("halves", onnx.TensorProto.FLOAT16, [192])
    ),
    "a Split in a branch": lambda proto, record: move(proto, "Split"),
    "both in a branch": lambda proto, record: move(proto, "Cast", "Split"),
    "sizes of another name": lambda proto, record: node(proto, "Split").input.__setitem__(1, "none"),
}


@pytest.mark.parametrize("change", FORGERIES.values(), ids=FORGERIES.keys())
def test_a_forged_record_is_refused(change: Callable[[onnx.ModelProto, dict], None]):
    with pytest.raises(ModelError, match=KEY):
        decode(forged(change))
