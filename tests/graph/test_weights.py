"""Which constants of a model are weights, of which kind, and why the others are none."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import onnx
import onnx_ir as ir
import pytest

from onnxdc.domain.compressed import refuse_compressed
from onnxdc.errors import ModelError
from onnxdc.graph.slots import ROLES, Role
from onnxdc.graph.weights import Weight, find_weights
from tests.helpers.text_models import build, normal, tensor


def only_weight(model: ir.Model, min_elements: int = 0) -> Weight:
    weights, _ = find_weights(model, min_elements)
    assert [weight.name for weight in weights] == ["w"]
    return weights[0]


def reasons(model: ir.Model, min_elements: int = 0) -> dict[str, str]:
    _, skips = find_weights(model, min_elements)
    return {skip.name: skip.reason for skip in skips}


@pytest.mark.parametrize(
    ("node", "shape", "kind", "channel_axis"),
    [
        ("Gemm (x, w)", (4, 5), "fc", 1),
        ("Gemm <transB = 1> (x, w)", (5, 4), "fc", 0),
        ("Gemm (w, x)", (5, 4), "fc", 0),
        ("Gemm <transA = 1> (w, x)", (4, 5), "fc", 1),
        ("MatMul (x, w)", (4, 5), "fc", 1),
        ("MatMul (w, x)", (5, 4), "fc", 0),
        ("MatMul (x, w)", (3, 4, 5), "fc", 2),
        ("MatMul (w, x)", (3, 5, 4), "fc", 1),
        ("Conv (x, w)", (5, 4, 3), "conv", 0),
        ("Conv (x, w)", (5, 4, 3, 3), "conv", 0),
        ("Conv (x, w)", (5, 4, 3, 3, 3), "conv", 0),
        ("Conv <group = 4> (x, w)", (8, 1, 3, 3), "conv", 0),
        ("ConvTranspose (x, w)", (4, 5, 3, 3), "conv", 1),
        ("Gather (w, x)", (9, 4), "embedding", 0),
        ("Gather <axis = -1> (w, x)", (9, 4), "embedding", 1),
        ("LSTM (x, w, r)", (1, 8, 3), "recurrent", 1),
        ("GRU (x, r, w)", (1, 6, 2), "recurrent", 1),
        ("RNN (x, w, r)", (1, 2, 3), "recurrent", 1),
        ("com.microsoft.FusedMatMul (x, w)", (4, 5), "other", None),
    ],
)
def test_kind_and_channel_axis_follow_the_consumer(
    node: str, shape: tuple[int, ...], kind: str, channel_axis: int | None
) -> None:
    weight = only_weight(build(f"g (float[N] x, float[M] r) => (y) {{ y = {node} }}", w=normal(*shape)))

    assert (weight.kind, weight.channel_axis, weight.shape) == (kind, channel_axis, shape)
    assert np.array_equal(weight.array(), normal(*shape))


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16, np.float32, np.float64])
def test_every_floating_point_type_of_the_format_is_a_weight(dtype: type) -> None:
    weight = only_weight(build("g (float16[N] x) => (y) { y = MatMul (x, w) }", w=normal(4, 5, dtype=dtype)))

    assert weight.array().dtype == dtype


@pytest.mark.parametrize("dtype", [ml_dtypes.float8_e4m3fn, np.int32])
def test_other_types_are_no_weights(dtype: type) -> None:
    assert find_weights(build("g (float[N] x) => (y) { y = MatMul (x, w) }", w=np.ones((4, 5), dtype)), 0) == ([], [])


def test_constant_nodes_are_weights() -> None:
    model = build("g (float[N] x) => (y) { w = Constant <value = float[2, 2] {1, 2, 3, 4}> ()  y = MatMul (x, w) }")

    assert only_weight(model).array().tolist() == [[1, 2], [3, 4]]


def test_a_constant_node_without_a_value_is_no_weight() -> None:
    assert find_weights(build("g (float[N] x) => (y) { w = Constant ()  y = Relu (w) }"), 0) == ([], [])


def test_a_weight_that_feeds_a_loop_as_its_state_is_skipped() -> None:
    model = build(
        """g (int64 n, bool c, float[2, 2] x) => (y) {
            y = Loop (n, c, w) <body = l (int64 i, bool k, float[2, 2] s) => (bool m, float[2, 2] r) {
                m = Identity (k)
                r = MatMul (x, s)
            }>
        }""",
        w=normal(2, 2),
    )

    assert reasons(model) == {"w": "not a weight, feeds Loop"}


def test_a_weight_of_several_nodes_is_found_once_with_all_its_uses() -> None:
    weight = only_weight(
        build("g (float[N] x) => (a, b, w) { b = Gather (w, x)  a = MatMul (x, w)  c = Add (w, w) }", w=normal(4, 5))
    )

    assert [use.node.op_type for use in weight.uses] == ["MatMul", "Gather"]
    assert weight.kind == "fc"
    assert weight.other_uses == ("graph output", "Add", "Add")


def test_a_tied_embedding_is_one_weight() -> None:
    text = "g (int64[N] i, float[M] x) => (a, y) { a = Gather (w, i)  t = Transpose (w)  y = MatMul (x, t) }"
    weight = only_weight(build(text, w=normal(9, 4)))

    assert [(use.node.op_type, len(use.path)) for use in weight.uses] == [("MatMul", 1), ("Gather", 0)]
    assert weight.channel_axis == 0  # axis 1 of the transposed matrix


@pytest.mark.parametrize(
    ("between", "declared", "shape", "channel_axis"),
    [
        ("v = Transpose (w)", "", (5, 4), 0),
        ("v = Transpose <perm = [0, 1]> (w)", "", (4, 5), 1),
        ("a = Transpose (w)  v = Transpose (a)", "", (4, 5), 1),
        ("a = Transpose <perm = [2, 0, 1]> (w)  v = Transpose <perm = [0, 2, 1]> (a)", "", (5, 4, 2), 0),
        ("v = Identity (w)", "", (4, 5), 1),
        ("v = Cast <to = 1> (w)", "", (4, 5), 1),
        ("v = Reshape (w, s)", "<float[4, 5] v>", (2, 2, 5), 2),
        ("v = Reshape (w, s)", "<float[4, 10] v>", (4, 2, 5), None),
        ("v = Reshape (w, s)", "", (2, 2, 5), None),
        ("v = Squeeze (w, s)", "<float[4, 5] v>", (4, 1, 5), 2),
        ("v = Flatten (w)", "<float[4, 5] v>", (4, 5, 1), 1),
        ("v = Slice (w, s, s)", "<float[4, 5] v>", (8, 5), None),
        ("u, v = Split (w)", "<float[4, 5] v>", (8, 5), None),
        ("a = Slice (w, s, s)  v = Concat <axis = 0> (a, w)", "<float[4, 5] v>", (2, 5), None),
    ],
)
def test_the_channel_axis_is_traced_back_through_what_lies_between(
    between: str, declared: str, shape: tuple[int, ...], channel_axis: int | None
) -> None:
    text = f"g (float[N] x, int64[2] s) => (y) {declared} {{ {between}  y = MatMul (x, v) }}"
    weight = only_weight(build(text, w=normal(*shape)))

    assert (weight.op_type, weight.channel_axis) == ("MatMul", channel_axis)


GATES = """g (float[1, N, 4] x, float[1, 24, 6] r) => (y) {
    i = Slice (w, zero, six)  o = Slice (w, six, twelve)  f = Slice (w, twelve, end)
    gates = Concat <axis = 0> (i, f, o)
    v = Unsqueeze (gates, zero)
    y = LSTM (x, v, r)
}"""
BOUNDS = {name: np.array([bound]) for name, bound in (("zero", 0), ("six", 6), ("twelve", 12), ("end", 24))}


def test_a_weight_whose_gates_are_put_in_order_is_found() -> None:
    weight = only_weight(build(GATES, w=normal(24, 4), **BOUNDS))

    assert (weight.kind, weight.channel_axis, len(weight.uses)) == ("recurrent", None, 1)
    assert {node.op_type for node in weight.uses[0].path} == {"Slice", "Concat", "Unsqueeze"}


def test_a_weight_split_in_two_has_both_parts_uses() -> None:
    text = "g (float[N, 8] x) => (y, z) { a, b = Split <axis = 1> (w)  y = MatMul (x, a)  z = Gemm (x, b) }"

    assert [use.node.op_type for use in only_weight(build(text, w=normal(8, 6))).uses] == ["Gemm", "MatMul"]


@pytest.mark.parametrize(
    "between", ["", "t = Relu (x)  ", "t = local.f (x)  ", "s = Slice (x, zero, zero)  t = Cast <to = 1> (s)  "]
)
def test_a_constant_that_is_joined_to_activations_is_no_weight(between: str) -> None:
    joined = "t" if between else "x"
    text = (
        f"g (float[N, 4] x, float[4, 4] m) => (y) {{ {between}c = Concat <axis = 0> (w, {joined})  y = MatMul (c, m) }}"
    )

    assert reasons(build(text, w=normal(8, 4), zero=np.zeros(1, np.int64)))["w"] == "not a weight, feeds Concat"


@pytest.mark.parametrize(
    ("text", "role", "kind"),
    [
        ("y = GatherND (w, i)", "table", "embedding"),
        ("y = GatherElements (w, i)", "table", "embedding"),
        ("s = Slice (w, i, i)  y = Add (x, s)", "table", "embedding"),
        ("s = Slice (w, one, one)  y = Add (x, s)", "constant", "other"),
        ("s = Slice (w, i, i)  y = MatMul (x, s)", "weight", "fc"),
        ("y = com.microsoft.MoE (x, x, w, x, x)", "table", "other"),
        ("y = com.microsoft.nchwc.Conv (x, w)", "table", "other"),
        ("y = Add (x, w)", "constant", "other"),
        ("q = QuantizeLinear (w, x)  y = DequantizeLinear (q, x)", "constant", "other"),
        ("y = else.Where (x, w)", "constant", "other"),
        ("y = Gather (w, i)", "weight", "embedding"),
        ("y = Gather (w, i)  z = Add (w, x)", "weight", "embedding"),
    ],
)
def test_the_role_follows_what_reads_the_constant(text: str, role: str, kind: str) -> None:
    model = build(f"g (float[N] x, int64[M] i) => (y) {{ {text} }}", w=normal(4, 5), one=np.ones(1, np.int64))
    ((weight,), _) = find_weights(model, 20, ROLES)

    assert (weight.role, weight.kind) == (role, kind)
    assert (weight.node != "", weight.feeds != "") == (True, True)


SCANS = {
    "scanned": """y, all = Scan <
        num_scan_inputs = 1, body = b (float[1, 4] s, float[4, 4] v) => (float[1, 4] r, float[1, 4] o) {
            r = MatMul (s, v)
            o = Identity (r)
        }> (x, w)""",
    "kept": """v, y = Scan <
        num_scan_inputs = 1, body = b (float[4, 4] v, float[1, 4] s) => (float[4, 4] u, float[1, 4] r) {
            u = Identity (v)
            r = MatMul (s, v)
        }> (w, x)""",
    "kept by a loop": """v, y = Loop (n, c, w, x) <
        body = b (int64 i, bool k, float[4, 4] v, float[1, 4] s) => (bool m, float[4, 4] v, float[1, 4] r) {
            m = Identity (k)
            r = MatMul (s, v)
        }>""",
}
SCANS["changed"] = SCANS["kept"].replace("Identity", "Tanh")


@pytest.mark.parametrize(
    ("form", "role"),
    [("scanned", "table"), ("kept", "table"), ("changed", "constant"), ("kept by a loop", "table")],
)
def test_a_scan_or_loop_uses_a_weight_in_its_body(form: str, role: str) -> None:
    model = build(f"g (float[1, 4] x, int64 n, bool c) => (y) {{ {SCANS[form]} }}", w=normal(3, 4, 4))
    ((weight,), _) = find_weights(model, 20, ROLES)

    assert (weight.role, weight.channel_axis) == (role, None if form != "kept by a loop" else 2)
    assert [use.node.op_type for use in weight.uses] == (["MatMul"] if role == "table" else [])


def test_a_vector_of_a_weight_slot_can_be_encoded_and_no_more() -> None:
    ((weight,), _) = find_weights(build("g (float[N] x) => (y) { y = MatMul (x, w) }", w=normal(300)), 0, ROLES)

    assert weight.role is Role.CONSTANT


@pytest.mark.parametrize(("ir_version", "found"), [(3, 1), (8, 0)])
def test_a_constant_that_a_caller_may_replace_is_left(ir_version: int, found: int) -> None:
    model = build("g (float[N] x, float[300] h) => (y) { y = Add (x, h) }", ir_version, h=normal(300))

    assert len(find_weights(model, 0, ROLES)[0]) == found


def test_a_constant_of_a_graph_without_nodes_is_left() -> None:
    text = """g (bool c) => (y) { y = If (c) <
        then_branch = t () => (float[2, 2] w) <float[2, 2] w = {1, 2, 3, 4}> {},
        else_branch = e () => (float[2, 2] v) <float[2, 2] v = {1, 2, 3, 4}> {}> }"""

    assert find_weights(build(text), 0, ROLES)[0] == []


def test_weights_in_if_and_loop_bodies_are_found() -> None:
    model = build(
        """g (bool c, int64 n, float[2, 2] x) => (y, z) {
            y = If (c) <
                then_branch = t () => (float[2, 2] a) <float[2, 2] inner = {1, 2, 3, 4}> { a = MatMul (x, inner) },
                else_branch = e () => (float[2, 2] b) {
                    inner = Constant <value = float[2, 2] {5, 6, 7, 8}> ()
                    b = MatMul (inner, outer)
                }>
            z = Loop (n, c, x) <body = l (int64 i, bool k, float[2, 2] s) => (bool m, float[2, 2] r) {
                m = Identity (k)
                r = Gemm (s, outer)
            }>
        }""",
        outer=normal(2, 2),
    )
    weights, _ = find_weights(model, 0)

    assert [(weight.name, weight.op_type, len(weight.uses)) for weight in weights] == [
        ("outer", "MatMul", 2),
        ("inner", "MatMul", 1),
        ("inner#2", "MatMul", 1),
    ]
    assert weights[1].graph is not weights[2].graph


FUNCTION = """
<domain: "local", opset_import: ["" : 17]>
layer (a, b) => (c) { own = Constant <value = float[2, 2] {1, 2, 3, 4}> ()  d = MatMul (a, b)  c = MatMul (d, own) }
"""


def test_weights_in_and_behind_model_local_functions_are_found() -> None:
    text = "g (float[N] x) => (y) { h = local.layer (x, w)  y = local.layer (h, w) }"
    weights, _ = find_weights(build(text + FUNCTION, w=normal(2, 2)), 0)

    assert [weight.name for weight in weights] == ["w", "own"]
    assert weights[0].function is None
    assert [node.op_type for node in weights[0].uses[0].path] == ["layer"]
    assert weights[1].function is not None
    assert weights[1].function.name == "layer"


def test_a_constant_whose_value_is_an_attribute_of_the_function_is_skipped() -> None:
    text = """g (float[N] x) => (y) { y = local.layer <v = float[2, 2] {1, 2, 3, 4}> (x) }
        <domain: "local", opset_import: ["" : 17]>
        layer <v> (a) => (c) { w = Constant <value: tensor = @v> ()  c = MatMul (a, w) }"""

    assert reasons(build(text)) == {"w": "its value is an attribute of the function"}


def test_a_function_that_calls_itself_does_not_hang() -> None:
    text = """g (float[N] x) => (y) { y = local.loop (x, w) }
        <domain: "local", opset_import: ["" : 17]> loop (a, b) => (c) { d = MatMul (a, b)  c = local.loop (d, b) }"""

    assert only_weight(build(text, w=normal(2, 2))).op_type == "MatMul"


@pytest.mark.parametrize("ir_version", [3, 8])
def test_an_initializer_that_is_a_graph_input_too_is_a_weight(ir_version: int) -> None:
    model = build("g (float[N] x, float[4, 5] w) => (y) { y = MatMul (x, w) }", ir_version, w=normal(4, 5))

    assert only_weight(model).is_graph_input


def test_skips_say_why() -> None:
    model = build(
        """g (float[N, 4, 8, 8] x) => (y) {
            h = Conv (x, w, bias)
            i = InstanceNormalization (h, scale, shift)
            y = Add (i, table)
        }""",
        w=normal(20, 4, 3, 3),
        bias=normal(20),
        scale=normal(20),
        shift=normal(20),
        table=normal(20, 6, 6),
        spare=normal(300),
    )

    assert only_weight(model, 256).kind == "conv"
    assert reasons(model, 256) == {
        "bias": "20 elements, fewer than 256",
        "scale": "20 elements, fewer than 256",
        "shift": "20 elements, fewer than 256",
        "table": "not a weight, feeds Add",
        "spare": "not used",
    }
    assert reasons(model, 0)["bias"] == "not a weight, feeds Conv"


def test_min_elements_is_inclusive() -> None:
    model = build("g (float[N] x) => (y) { y = MatMul (x, w) }", w=normal(16, 16))

    assert only_weight(model, 256).size == 256
    assert reasons(model, 257) == {"w": "256 elements, fewer than 257"}


def test_a_vector_in_a_weight_slot_is_skipped() -> None:
    assert reasons(build("g (float[N] x) => (y) { y = MatMul (x, w) }", w=normal(300))) == {
        "w": "rank 1: biases and scales stay as they are"
    }


def test_quantized_weights_are_skipped_and_said_so() -> None:
    model = build(
        """g (float[N] x) => (y) {
            a = DequantizeLinear (q, s)
            b = MatMul (x, a)
            c = QuantizeLinear (w, s)
            d = DequantizeLinear (c, s)
            e = MatMul (b, d)
            f = com.microsoft.MatMulNBits <K = 16, N = 16, bits = 4, block_size = 16> (e, packed, scales)
            y = MatMulInteger (f, i)
        }""",
        q=np.ones((16, 16), np.int8),
        s=np.ones((), np.float32),
        w=normal(16, 16),
        packed=np.ones((16, 1, 8), np.uint8),
        scales=normal(16, 16),
        i=np.ones((16, 16), np.uint8),
    )

    assert find_weights(model, 16)[0] == []
    assert reasons(model, 16) == {
        "q": "already int8, feeds DequantizeLinear",
        "s": "1 elements, fewer than 16",
        "w": "not a weight, feeds QuantizeLinear",
        "packed": "already uint8, feeds com.microsoft.MatMulNBits",
        "scales": "not a weight, feeds com.microsoft.MatMulNBits",
        "i": "already uint8, feeds MatMulInteger",
    }


@pytest.mark.parametrize("place", ["graph", "function"])
def test_a_compressed_model_is_refused(place: str) -> None:
    node = "onnxdc.SparseQuantMatMul (x, x)"
    text = f"g (float[N] x) => (y) {{ y = {node} }}"
    if place == "function":
        text = f"""g (float[N] x) => (y) {{ y = local.f (x) }}
            <domain: "local", opset_import: ["onnxdc" : 1]> f (x) => (y) {{ y = {node} }}"""
    with pytest.raises(ModelError, match=r"already compressed: node .* is onnxdc\.SparseQuantMatMul"):
        refuse_compressed(build(text))


def test_external_data_is_not_read_before_it_is_needed(tmp_path) -> None:
    proto = ir.to_proto(build("g (float[N] x) => (y) { y = MatMul (x, w) }", w=normal(20, 20)))
    onnx.save(proto, tmp_path / "m.onnx", save_as_external_data=True, location="m.data", size_threshold=0)
    model = ir.load(tmp_path / "m.onnx")
    (tmp_path / "m.data").rename(tmp_path / "away")

    weight = only_weight(model)
    with pytest.raises(ModelError, match=r"^w: cannot read its data: .*m\.data"):
        weight.array()
    (tmp_path / "away").rename(tmp_path / "m.data")
    assert np.array_equal(weight.array(), normal(20, 20))


def test_truncated_external_data_is_a_model_error(tmp_path) -> None:
    proto = ir.to_proto(build("g (float[N] x) => (y) { y = MatMul (x, w) }", w=normal(20, 20)))
    onnx.save(proto, tmp_path / "m.onnx", save_as_external_data=True, location="m.data", size_threshold=0)
    (tmp_path / "m.data").write_bytes(b"1234")

    with pytest.raises(ModelError, match=r"^w: "):
        only_weight(ir.load(tmp_path / "m.onnx")).array()


@pytest.mark.parametrize("form", ["initializer", "node"])
def test_replace_keeps_name_type_and_texts(form: str) -> None:
    proto = tensor("w", normal(2, 2))
    proto.doc_string = "words"
    proto.metadata_props.add(key="key", value="value")
    model = ir.to_proto(build("g (float[N] x) => (y) { y = MatMul (x, w) }"))
    if form == "initializer":
        model.graph.initializer.append(proto)
    else:
        model.graph.node.insert(0, onnx.helper.make_node("Constant", [], ["w"], value=proto, doc_string="of the node"))
    model = ir.from_proto(model)

    only_weight(model).replace(np.eye(2, dtype=np.float32))
    again = only_weight(ir.from_proto(ir.to_proto(model)))

    assert np.array_equal(again.array(), np.eye(2))
    assert (again.tensor.name, again.tensor.doc_string) == ("w", "words")
    assert again.tensor.metadata_props == {"key": "value"}
