"""Weights with few distinct values, and models around them, as they come out of pruning and sharing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import ml_dtypes
import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime as ort

from onnxdc.runtime.native import library_path
from tests.helpers.text_models import build, normal

Arrays = dict[str, np.ndarray]


def weight(
    *shape: int, seed: int = 0, density: float = 0.1, values: int = 15, dtype: object = np.float32
) -> np.ndarray:
    """A weight of the given density whose nonzeros have ``values`` distinct values, about as large as trained ones."""
    rng = np.random.default_rng(seed)
    codebook = (rng.standard_normal(values) * 0.2).astype(dtype)
    array = codebook[rng.integers(0, values, shape)]
    return np.where(rng.random(shape) < density, array, array.dtype.type(0))


@dataclass(frozen=True)
class Case:
    """A model with weights to encode.

    Attributes:
        name: for the test's name.
        make: builds the model; every call builds the same.
        feeds: its inputs.
        sparse: how many nodes can become sparse operators.
        dense: how many weights only DecodeWeight can serve.
    """

    name: str
    make: Callable[[], ir.Model]
    feeds: Mapping[str, np.ndarray]
    sparse: int
    dense: int


def run(model: ir.Model, feeds: Mapping[str, np.ndarray], *, native: bool = False) -> list[np.ndarray]:
    """The outputs of a model in onnxruntime, with the native library or without it."""
    options = ort.SessionOptions()
    options.log_severity_level = 3
    if native:
        options.register_custom_ops_library(library_path())
    proto = ir.to_proto(model)
    onnx.checker.check_model(proto)
    if native:  # a kernel that is missing is an error then, and not the portable body
        kept = [function for function in proto.functions if not function.name.startswith("SparseQuant")]
        del proto.functions[:]
        proto.functions.extend(kept)
    session = ort.InferenceSession(proto.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return list(session.run(None, dict(feeds)))


def _case(
    name: str, text: str, arrays: Arrays, feeds: Arrays, *, sparse: int = 0, dense: int = 0, **options: int
) -> Case:
    return Case(name, lambda: build(text, **options, **arrays), feeds, sparse, dense)


def _gemms() -> list[Case]:
    a, c = normal(5, 40), normal(24, seed=1)
    return [
        _case(
            "gemm",
            "g (float[M, 40] A) => (float[M, 24] Y) { Y = Gemm(A, W, C) }",
            {"W": weight(40, 24), "C": c},
            {"A": a},
            sparse=1,
        ),
        _case(
            "gemm, transposed and scaled",
            "g (float[40, M] A) => (float[M, 24] Y) { Y = Gemm <alpha=0.5, beta=2.0, transA=1, transB=1> (A, W, C) }",
            {"W": weight(24, 40), "C": c},
            {"A": np.ascontiguousarray(a.T)},
            sparse=1,
        ),
        _case(
            "gemm without C",
            "g (float[M, 40] A) => (float[M, 24] Y) { Y = Gemm(A, W) }",
            {"W": weight(40, 24)},
            {"A": a},
            sparse=1,
        ),
        _case(
            "gemm, constant on the left",
            "g (float[40, M] B) => (float[24, M] Y) { Y = Gemm(W, B) }",
            {"W": weight(24, 40)},
            {"B": np.ascontiguousarray(a.T)},
            dense=1,
        ),
    ]


def _matmuls() -> list[Case]:
    return [
        _case(
            "matmul of rank 3",
            "g (float[B, M, 40] A) => (float[B, M, 24] Y) { Y = MatMul(A, W) }",
            {"W": weight(40, 24)},
            {"A": normal(2, 5, 40)},
            sparse=1,
        ),
        _case(
            "matmul, constant on the left",
            "g (float[40, M] B) => (float[24, M] Y) { Y = MatMul(W, B) }",
            {"W": weight(24, 40)},
            {"B": normal(40, 5)},
            dense=1,
        ),
        _case(
            "matmul, weight of rank 3",
            "g (float[2, M, 40] A) => (float[2, M, 24] Y) { Y = MatMul(A, W) }",
            {"W": weight(2, 40, 24)},
            {"A": normal(2, 5, 40)},
            dense=1,
        ),
    ]


def _convolutions() -> list[Case]:
    return [
        _case(
            "conv of rank 1",
            "g (float[N, 4, L] X) => (float[N, 12, M] Y) { Y = Conv <strides=[2], pads=[1, 1]> (X, W, B) }",
            {"W": weight(12, 4, 5), "B": normal(12)},
            {"X": normal(2, 4, 17)},
            sparse=1,
        ),
        _case(
            "conv of rank 2",
            "g (float[N, 4, H, L] X) => (float[N, O, J, K] Y) { Y = Conv <dilations=[2, 1], pads=[2, 1, 2, 0]>(X, W) }",
            {"W": weight(12, 4, 3, 3)},
            {"X": normal(2, 4, 9, 8)},
            sparse=1,
        ),
        _case(
            "conv of rank 3, grouped",
            'g (float[N, 4, D, H, L] X) => (float[N, O, I, J, K] Y) { Y = Conv<auto_pad="SAME_UPPER", group=2>(X, W) }',
            {"W": weight(12, 2, 3, 2, 3)},
            {"X": normal(1, 4, 5, 6, 7)},
            sparse=1,
        ),
        _case(
            "conv, depthwise",
            "g (float[N, 8, H, L] X) => (float[N, 8, J, K] Y) { Y = Conv <group=8> (X, W, B) }",
            {"W": weight(8, 1, 3, 3), "B": normal(8)},
            {"X": normal(1, 8, 9, 9)},
            sparse=1,
        ),
        _case(
            "transposed conv",
            "g (float[N, 4, H, L] X) => (float[N, 12, J, K] Y) { Y = ConvTranspose <strides=[2, 2]> (X, W) }",
            {"W": weight(4, 12, 3, 3)},
            {"X": normal(1, 4, 5, 5)},
            dense=1,
        ),
    ]


def _tables_and_recurrences() -> list[Case]:
    ids = np.array([[3, 0, 7], [-1, 3, 2]])
    sequence = normal(7, 2, 8)
    return [
        _case(
            "gather",
            "g (int64[I, J] ids) => (float[I, J, 12] Y) { Y = Gather(W, ids) }",
            {"W": weight(30, 12)},
            {"ids": ids},
            sparse=1,
        ),
        _case(
            "gather along another axis",
            "g (int64[I, J] ids) => (float[12, I, J] Y) { Y = Gather <axis=-1> (W, ids) }",
            {"W": weight(12, 30)},
            {"ids": ids},
            sparse=1,
        ),
        _case(
            "lstm",
            "g (float[T, 2, 8] X) => (float[T, 1, 2, 5] Y) { Y, Yh, Yc = LSTM <hidden_size=5> (X, W, R, B) }",
            {"W": weight(1, 20, 8), "R": weight(1, 20, 5, seed=1), "B": normal(1, 40)},
            {"X": sequence},
            dense=2,
        ),
        _case(
            "gru and rnn",
            """g (float[T, 2, 8] X) => (float[T, 1, 2, 5] Y, float[1, 2, 5] Z) {
                Y, Yh = GRU <hidden_size=5> (X, W, R)
                Yn, Z = RNN <hidden_size=5> (X, V, S)
            }""",
            {"W": weight(1, 15, 8), "R": weight(1, 15, 5), "V": weight(1, 5, 8, seed=2), "S": weight(1, 5, 5, seed=3)},
            {"X": sequence},
            dense=4,
        ),
    ]


def _shared_uses() -> list[Case]:
    a = normal(5, 12)
    return [
        _case(
            "two consumers of one kind",
            "g (float[M, 12] A) => (float[M, 12] Y) { B = MatMul(A, W)  Y = MatMul(B, W) }",
            {"W": weight(12, 12)},
            {"A": a},
            sparse=2,
        ),
        _case(
            "consumers of two kinds",
            """g (int64[I] ids, float[M, 12] A) => (float[I, 12] Y, float[M, 30] Z) {
                Y = Gather(W, ids)
                Z = Gemm <transB=1> (A, W)
            }""",
            {"W": weight(30, 12)},
            {"ids": np.array([3, 0, 7]), "A": a},
            dense=1,
        ),
        _case(
            "also an output of the graph",
            "g (float[M, 12] A) => (float[M, 30] Y, float[12, 30] W) { Y = MatMul(A, W) }",
            {"W": weight(12, 30)},
            {"A": a},
            dense=1,
        ),
        _case(
            "through transpose, reshape and identity",
            """g (float[M, 12] A) => (float[M, 30] Y) {
                T = Transpose <perm=[1, 0]> (W)
                R = Reshape(T, S)
                I = Identity(R)
                Y = MatMul(A, I)
            }""",
            {"W": weight(15, 24), "S": np.array([12, 30])},
            {"A": a},
            dense=1,
        ),
        _case(
            "in a model-local function",
            """g (float[M, 12] A) => (float[M, 30] Y) { Y = local.product(A, W) }
            <domain: "local", opset_import: ["" : 17]> product (a, w) => (y) { y = MatMul(a, w) }""",
            {"W": weight(12, 30)},
            {"A": a},
            dense=1,
        ),
        _case(
            "an input of the graph, as before IR version 4",
            "g (float[M, 12] A, float[12, 30] W) => (float[M, 30] Y) { Y = MatMul(A, W) }",
            {"W": weight(12, 30)},
            {"A": a},
            sparse=1,
            ir_version=3,
        ),
        _case(
            "at the oldest operator set",
            "g (float[M, 12] A) => (float[M, 30] Y, float[M, 30] Z) { Y = MatMul(A, W)  Z = Gemm(A, V, C) }",
            {"W": weight(12, 30), "V": weight(12, 30, seed=1), "C": normal(30)},
            {"A": a},
            sparse=2,
            opset=11,
        ),
    ]


def _types() -> list[Case]:
    text = "g (float[M, 12] A) => (float[M, 30] Y) { F = Cast <to=1> (W)  Y = MatMul(A, F) }"
    a = normal(5, 12)
    return [
        _case("float16", text, {"W": weight(12, 30, dtype=np.float16)}, {"A": a}, dense=1),
        _case("bfloat16", text, {"W": weight(12, 30, dtype=ml_dtypes.bfloat16)}, {"A": a}, dense=1),
        _case(
            "float64",
            "g (double[M, 12] A) => (double[M, 30] Y) { Y = MatMul(A, W) }",
            {"W": weight(12, 30, dtype=np.float64)},
            {"A": a.astype(np.float64)},
            dense=1,
        ),
    ]


def _values() -> list[Case]:
    text = "g (float[M, 12] A) => (float[M, 30] Y) { Y = MatMul(A, W) }"
    per_channel = np.concatenate([weight(12, 10, seed=seed, density=0.9, values=200) for seed in range(3)], axis=1)
    cases = {
        "every element nonzero": weight(12, 30, density=1.0),
        "nothing but zeros": np.zeros((12, 30), np.float32),
        "one value": np.full((12, 30), 0.5, np.float32),
        "far apart": np.where(np.arange(360).reshape(12, 30) % 350 == 349, np.float32(2), np.float32(0)),
        "negative zeros": np.where(weight(12, 30) == 0, np.float32(-0.0), weight(12, 30)),
        "a codebook a group of channels": per_channel,
    }
    return [_case(name, text, {"W": array}, {"A": normal(5, 12)}, sparse=1) for name, array in cases.items()]


def _subgraphs() -> list[Case]:
    a, yes = normal(5, 12), np.array(True)
    branches = """g (bool c, float[M, 12] A) => (float[M, 12] Y) {
        Y = If (c) <
            then_branch = t () => (float[M, 12] P) { P = MatMul(A, W) },
            else_branch = e () => (float[M, 12] Q) { Q = Gemm(A, V) }
        >
    }"""

    def in_branches() -> ir.Model:
        model = build(branches, W=weight(12, 12), V=weight(12, 12, seed=1))
        _move_into(model, "then_branch", "W")
        return model

    loop = """g (float[M, 12] A) => (float[M, 12] Y) {
        n = Constant <value = int64 {3}> ()
        Y = Loop (n, , A) <
            body = b (int64 i, bool go, float[M, 12] P) => (bool go_on, float[M, 12] R) {
                go_on = Identity(go)
                Q = MatMul(P, W)
                R = Relu(Q)
            }
        >
    }"""

    def in_loop() -> ir.Model:
        model = build(loop, W=weight(12, 12))
        _move_into(model, "body", "W")
        return model

    # W runs sparse wherever it is used, from outside and in graphs inside graphs; X is transposed, too.
    both = """g (bool c, float[M, 12] A) => (float[M, 12] Y) {
        n = Constant <value = int64 {2}> ()
        H = MatMul(A, W)
        I = If (c) <
            then_branch = t () => (float[M, 12] P) {
                O = Gather <axis = 0> (E, B)
                N = Add(H, O)
                P = MatMul(N, W)
            },
            else_branch = e () => (float[M, 12] Q) {
                Q = Loop (n, , H) <
                    body = l (int64 i, bool go, float[M, 12] R) => (bool go_on, float[M, 12] T) {
                        go_on = Identity(go)
                        S = MatMul(R, V)
                        T = If (c) <
                            then_branch = v () => (float[M, 12] K) { K = MatMul(S, W) },
                            else_branch = w () => (float[M, 12] L) { L = MatMul(S, X) }
                        >
                    }
                >
            }
        >
        Z = Transpose <perm = [1, 0]> (X)
        F = MatMul(I, Z)
        G = Reshape(F, shape)
        D = Conv(G, C)
        Y = Reshape(D, flat)
    }"""
    shared = {
        "W": weight(12, 12),
        "V": weight(12, 12, seed=1),
        "X": weight(12, 12, seed=2),
        "E": weight(9, 12, seed=3),
        "C": weight(12, 12, 1, seed=4),
        "B": np.array([0, 3, 8, 1, 1]),
        "shape": np.array([5, 12, 1]),
        "flat": np.array([5, 12]),
    }

    def one_name() -> ir.Model:
        model = build(branches.replace("V)", "W)").replace("Q = Gemm", "Q = MatMul"), W=weight(12, 12))
        value = model.graph.initializers.pop("W")
        for seed, name in enumerate(["then_branch", "else_branch"]):
            graph = model.graph[0].attributes[name].as_graph()
            own = ir.Value(name="W", const_value=ir.Tensor(weight(12, 12, seed=seed), name="W"))
            graph.initializers.add(own)
            graph[0].replace_input_with(1, own)
        assert not value.uses()
        return model

    return [
        Case("one name in both branches", one_name, {"c": yes, "A": a}, sparse=2, dense=0),
        Case("initializer of a branch, and one around it", in_branches, {"c": yes, "A": a}, sparse=2, dense=0),
        Case("initializer of a loop's body", in_loop, {"A": a}, sparse=1, dense=0),
        _case("used in a loop's body, outside of it", loop, {"W": weight(12, 12)}, {"A": a}, sparse=1),
        *(
            _case(f"used in both branches, {which}", both, shared, {"c": np.array(which), "A": a}, sparse=6, dense=1)
            for which in (True, False)
        ),
    ]


def _move_into(model: ir.Model, attribute: str, name: str) -> None:
    """Make an initializer of the main graph one of a subgraph, which the text format cannot express with values."""
    value = model.graph.initializers.pop(name)
    graph = next(node.attributes[attribute].as_graph() for node in model.graph if attribute in node.attributes)
    graph.initializers.add(value)


def _constant_nodes() -> list[Case]:
    text = """g (float[M, 12] A) => (float[M, 30] Y) {
        B = Relu(A)
        C = MatMul(B, W)
        D = MatMul(C, V)
        E = Relu(D)
        Y = MatMul(E, U)
    }"""

    def make() -> ir.Model:
        arrays = {"W": weight(12, 20), "V": weight(20, 20, seed=1, density=0.9), "U": weight(20, 30, seed=2)}
        model = build(text, **arrays)
        for place, name in ((0, "W"), (2, "V"), (4, "U")):
            value = model.graph.initializers.pop(name)
            tensor = ir.Tensor(arrays[name], name="" if name == "W" else f"{name} inside", doc_string=name.lower() * 3)
            node = ir.Node(
                "", "Constant", [], [ir.AttrTensor("value", tensor, doc_string="the value")], name=f"k{name}"
            )
            node.outputs[0].name = name
            node.doc_string = f"holds {name}"
            node.metadata_props["from"] = "a test"
            model.graph.insert_before(model.graph[place], node)
            value.replace_all_uses_with(node.outputs[0])
        return model

    return [Case("constant nodes", make, {"A": normal(5, 12)}, sparse=3, dense=0)]


CASES = [
    *_gemms(),
    *_matmuls(),
    *_convolutions(),
    *_tables_and_recurrences(),
    *_shared_uses(),
    *_types(),
    *_values(),
    *_subgraphs(),
    *_constant_nodes(),
]
