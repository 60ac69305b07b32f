"""What is checked of a whole model before anything walks it: one line that names the trouble, whatever it is."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import AttributeProto, TensorProto, helper, numpy_helper

import onnxdc
from onnxdc.errors import ModelError
from onnxdc.model_io import load
from tests.helpers.text_models import build, normal

Change = Callable[[onnx.ModelProto], None]


def proto(text: str = "g (float[N, 8] x) => (float[N, 8] y) { h = MatMul(x, w)  y = Relu(h) }") -> onnx.ModelProto:
    from onnx_ir import to_proto

    return to_proto(build(text, w=normal(8, 8)))


def message(model: onnx.ModelProto) -> str:
    with pytest.raises(ModelError) as caught:
        load(model)
    text = str(caught.value)
    assert "\n" not in text
    return text.removeprefix("model: ")


def attribute(**fields: object) -> Change:
    def change(model: onnx.ModelProto) -> None:
        added = model.graph.node[0].attribute.add()
        for name, value in fields.items():
            setattr(added, name, value)

    return change


def node(op_type: str, inputs: list[str], outputs: list[str], **attributes: object) -> Change:
    return lambda model: model.graph.node.append(helper.make_node(op_type, inputs, outputs, **attributes))


def weight(**fields: object) -> Change:
    def change(model: onnx.ModelProto) -> None:
        for name, value in fields.items():
            if isinstance(value, list):
                model.graph.initializer[0].ClearField(name)
                getattr(model.graph.initializer[0], name).extend(value)
            else:
                setattr(model.graph.initializer[0], name, value)

    return change


def in_another_field(model: onnx.ModelProto) -> None:
    model.graph.initializer[0].ClearField("raw_data")
    model.graph.initializer[0].int32_data.extend([1] * 64)


def calling_itself(model: onnx.ModelProto) -> None:
    calls = [helper.make_node("F", ["a"], ["b"], domain="f")]
    model.opset_import.append(helper.make_opsetid("f", 1))
    model.functions.append(helper.make_function("f", "F", ["a"], ["b"], calls, [helper.make_opsetid("f", 1)]))


def calling_itself_twice(model: onnx.ModelProto) -> None:
    calling_itself(model)
    model.functions.append(model.functions[0])


def doubling(model: onnx.ModelProto) -> None:
    """Forty functions of which each calls the next twice."""
    imports = [helper.make_opsetid("", 17), helper.make_opsetid("f", 1)]
    model.opset_import.append(imports[1])
    for i in range(40):
        inner = [helper.make_node(f"F{i + 1}", [a], [b], domain="f") for a, b in (("a", "m"), ("m", "b"))]
        inner = inner if i < 39 else [helper.make_node("Relu", ["a"], ["b"])]
        model.functions.append(helper.make_function("f", f"F{i}", ["a"], ["b"], inner, imports))
    model.graph.node.append(helper.make_node("F0", ["x"], ["z"], domain="f"))


def lending() -> onnx.GraphProto:
    """A branch that only returns a value of the graph around it, which onnxruntime refuses too."""
    return helper.make_graph([], "branch", [], [helper.make_empty_tensor_value_info("w")])


BAD: dict[str, tuple[Change, str]] = {
    "too few inputs": (node("Transpose", [], ["q"]), "Transpose 'q': expected 1 inputs, got 0"),
    "too many inputs": (node("Relu", ["x", "x"], ["q"]), "Relu 'q': expected 1 inputs, got 2"),
    "no output": (node("Identity", ["x"], []), "Identity: expected 1 outputs, got 0"),
    "a text for a number": (node("Gemm", ["x", "w"], ["q"], transB="a"), "'transB': expected INT, got STRING"),
    "a list for a number": (node("Gemm", ["x", "w"], ["q"], transB=[1]), "'transB': expected INT, got INTS"),
    "a missing attribute": (node("Cast", ["x"], ["q"]), "Cast 'q': attribute 'to' is missing"),
    "no domain": (node("Foo", ["x"], ["q"], domain="foo"), "imports no operator set of the domain foo"),
    "an attribute without a type": (attribute(name="a", i=1), "attribute 'a' has no type"),
    "an attribute without a value": (attribute(name="a", type=AttributeProto.TENSOR), "attribute 'a' has no value"),
    "a reference outside of functions": (
        attribute(name="a", type=AttributeProto.INT, ref_attr_name="b"),
        "attribute 'a' refers to 'b', which no function around it has",
    ),
    "a negative dimension": (weight(dims=[-8, -8]), "expected dimensions of 0 or more, got [-8, -8]"),
    "too little data": (weight(raw_data=b"1234"), "tensor 'w': expected 256 bytes, got 4"),
    "too much data": (weight(raw_data=b"\0" * 1000), "tensor 'w': expected 256 bytes, got 1000"),
    "no data for giants": (weight(dims=[2**40, 64], raw_data=b""), "bytes, got 0"),
    "an unknown type": (weight(data_type=99), "tensor 'w': unknown element type 99"),
    "no type": (weight(data_type=TensorProto.UNDEFINED), "tensor 'w': unknown element type 0"),
    "data of another type": (in_another_field, "tensor 'w': FLOAT data lie in int32_data, expected float_data"),
    "an input of an unknown type": (
        lambda model: setattr(model.graph.input[0].type.tensor_type, "elem_type", -(2**31)),
        "value 'x': unknown element type -2147483648",
    ),
    "an impossible operator set": (
        lambda model: [
            node("Foo", ["x"], ["q"], domain="foo")(model),
            model.opset_import.add(domain="foo", version=2**31),
        ],
        "Foo 'q': unknown operator set 2147483648, expected 0 to 2147483646",
    ),
    "a device without a name": (
        lambda model: model.graph.node[0].device_configurations.add(),
        "MatMul 'h': a device configuration has no name",
    ),
    "a subgraph that hands out what is not its own": (
        lambda model: [
            model.graph.input.append(helper.make_tensor_value_info("c", TensorProto.BOOL, [])),
            node("If", ["c"], ["q"], then_branch=lending(), else_branch=lending())(model),
        ],
        "the output 'w' of a subgraph is made by nothing in it",
    ),
    "a value of nobody": (node("Relu", ["nothing"], ["q"]), "Relu 'q' takes 'nothing', which nothing makes"),
    "a value made twice": (node("Relu", ["x"], ["h"]), "Relu 'h' makes 'h', which is made already"),
    "a cycle": (
        lambda model: model.graph.node.extend(
            [helper.make_node("Relu", ["b"], ["a"]), helper.make_node("Relu", ["a"], ["b"])]
        ),
        "Relu 'a' waits for its own output",
    ),
    "an output of nobody": (
        lambda model: model.graph.output.append(helper.make_empty_tensor_value_info("lost")),
        "the output 'lost' is made by nothing",
    ),
    "a function that calls itself": (calling_itself, "function f.F calls itself"),
    "functions that unfold": (doubling, "nodes, expected at most 1000000"),
    "two functions of one name": (
        calling_itself_twice,
        "two functions have the name f.F",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_one_line_names_the_trouble(name: str) -> None:
    change, expected = BAD[name]
    model = proto()
    change(model)
    assert expected in message(model)


@pytest.mark.parametrize("name", ["too few inputs", "a text for a number", "too little data", "a value of nobody"])
def test_bodies_of_functions_are_checked_too(name: str) -> None:
    model, inner = proto(), proto()
    BAD[name][0](inner)
    body = [helper.make_node("Constant", [], ["w"], value=inner.graph.initializer[0]), *inner.graph.node]
    imports = [helper.make_opsetid("", 17)]
    model.functions.append(helper.make_function("f", "F", ["x"], ["y"], body, imports))
    model.opset_import.append(helper.make_opsetid("f", 1))
    assert BAD[name][1].removeprefix("tensor 'w': ") in message(model)


def test_nodes_are_sorted_once() -> None:
    model = proto()
    in_order = load(model)
    model.graph.node.reverse()
    assert [one.op_type for one in load(model).graph] == [one.op_type for one in in_order.graph] == ["MatMul", "Relu"]
    assert [one.op_type for one in model.graph.node] == ["Relu", "MatMul"]
    decoded = onnxdc.decode(
        onnxdc.encode(onnxdc.share(model, bits=2, min_elements=0).model, min_elements=0, force=True).model
    )
    assert [one.op_type for one in decoded.model.graph] == ["MatMul", "Relu"]


def function_with_data(location: str, *, in_branch: bool) -> onnx.ModelProto:
    """A model whose function holds a constant in a file."""
    tensor = onnx.TensorProto(name="c", dims=[8, 8], data_type=1, data_location=TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value=location)
    constant = helper.make_node("Constant", [], ["c"])
    constant.attribute.add(name="value", type=AttributeProto.TENSOR).t.CopyFrom(tensor)
    body = [constant, helper.make_node("MatMul", ["a", "c"], ["b"])]
    if in_branch:
        output = helper.make_empty_tensor_value_info("o")
        branch = helper.make_graph([helper.make_node("MatMul", ["a", "c"], ["o"])], "s", [], [output], [tensor])
        condition = helper.make_node("Constant", [], ["k"], value=numpy_helper.from_array(np.array(True)))
        body = [condition, helper.make_node("If", ["k"], ["b"], then_branch=branch, else_branch=branch)]
    model = proto("g (float[N, 8] x) => (float[N, 8] y) { h = MatMul(x, w)  y = f.F(h) }")
    imports = [helper.make_opsetid("", 17)]
    model.functions.append(helper.make_function("f", "F", ["a"], ["b"], body, imports))
    model.opset_import.append(helper.make_opsetid("f", 1))
    return model


@pytest.mark.parametrize("in_branch", [False, True])
@pytest.mark.parametrize("verb", ["prune", "share"])
def test_a_function_reads_no_file_outside_of_the_model_s_folder(tmp_path: Path, in_branch: bool, verb: str) -> None:
    secret = normal(8, 8, seed=9)
    (tmp_path / "secret").write_bytes(secret.tobytes())
    folder = tmp_path / "models"
    folder.mkdir()
    options = {"density": 0.9} if verb == "prune" else {"bits": 2}
    for location in (str(tmp_path / "secret"), "../secret", "a/../../secret"):
        (folder / "m.onnx").write_bytes(function_with_data(location, in_branch=in_branch).SerializeToString())
        with pytest.raises(ModelError, match="lies outside of the model's directory"):
            getattr(onnxdc, verb)(folder / "m.onnx", min_elements=0, **options)
    (folder / "inside").write_bytes(secret.tobytes())
    (folder / "m.onnx").write_bytes(function_with_data("inside", in_branch=in_branch).SerializeToString())
    rows = onnxdc.inspect(folder / "m.onnx", min_elements=0).rows
    assert "c" in {row.name for row in rows}


def test_a_group_is_described_by_reference_in_a_portable_body_alone() -> None:
    node = helper.make_node("DecodeWeight", list("abcdefgi"), ["h"], domain="onnxdc", checksum=1)
    node.attribute.add(name="group_axis", type=AttributeProto.INT, ref_attr_name="axis")
    model = proto()
    model.opset_import.add(domain="onnxdc", version=1)
    for domain in ("onnxdc", "f"):
        del model.functions[:]
        imports = [helper.make_opsetid("onnxdc", 1)]
        model.functions.append(helper.make_function(domain, "F", list("abcdefgi"), ["h"], [node], imports, ["axis"]))
        if domain == "onnxdc":
            load(model)
        else:
            reason = "attribute 'group_axis' is a reference, expected an integer"
            assert message(model) == f"not valid ONNX: DecodeWeight 'h': {reason}"


def test_a_pipe_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for action in (load, onnxdc.inspect):
        with pytest.raises(ModelError, match="cannot read: not a regular file"):
            action(tmp_path / "pipe")
    (tmp_path / "m.onnx").write_bytes(function_with_data("pipe", in_branch=False).SerializeToString())
    with pytest.raises(ModelError, match="not a regular file"):
        load(tmp_path / "m.onnx")


def test_data_that_shrink_are_an_error(tmp_path: Path) -> None:
    onnx.save(proto(), tmp_path / "m.onnx", save_as_external_data=True, location="m.data", size_threshold=0)
    model = load(tmp_path / "m.onnx")
    tensor = model.graph.initializers["w"].const_value
    assert tensor is not None
    np.testing.assert_array_equal(tensor.numpy(), normal(8, 8))
    os.truncate(tmp_path / "m.data", 100)
    for read in (tensor.numpy, tensor.tobytes):
        with pytest.raises(ModelError, match=r"it has become shorter: expected 256 bytes from \d+ on, got 100"):
            read()


def test_data_are_those_of_the_file_that_was_checked(tmp_path: Path) -> None:
    onnx.save(proto(), tmp_path / "m.onnx", save_as_external_data=True, location="m.data", size_threshold=0)
    model = load(tmp_path / "m.onnx")
    (tmp_path / "m.data").unlink()
    (tmp_path / "m.data").write_bytes(b"\1" * 256)
    tensor = model.graph.initializers["w"].const_value
    assert tensor is not None
    np.testing.assert_array_equal(tensor.numpy(), normal(8, 8))


@pytest.mark.parametrize("key", ["offset", "length"])
@pytest.mark.parametrize("value", ["-1", "1e3", "x", str(2**63), "9" * 5000, "+4"])
def test_places_of_external_data_are_numbers(tmp_path: Path, key: str, value: str) -> None:
    onnx.save(proto(), tmp_path / "m.onnx", save_as_external_data=True, location="m.data", size_threshold=0)
    model = onnx.load(tmp_path / "m.onnx", load_external_data=False)
    entries = model.graph.initializer[0].external_data
    for entry in [entry for entry in entries if entry.key == key]:
        entries.remove(entry)
    entries.add(key=key, value=value)
    (tmp_path / "m.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(ModelError, match=f"external data: expected an integer for {key}"):
        load(tmp_path / "m.onnx")


def test_what_only_looks_like_protobuf_is_refused_at_once(tmp_path: Path) -> None:
    (tmp_path / "m.onnx").write_bytes(b"\x08\x08" * 5_000_000 + b"\x3a\x7f")
    with pytest.raises(ModelError, match=r"not an ONNX model|truncated"):
        load(tmp_path / "m.onnx")


@pytest.mark.parametrize(
    ("old", "new"),
    [(b"MatMul", b"Mat\xfful"), (b"\x01h", b"\x01\xff"), (b"\x01w", b"\x01\xfe"), (b"\x01y", b"\x01\xfd")],
)
def test_names_are_texts(tmp_path: Path, old: bytes, new: bytes) -> None:
    (tmp_path / "m.onnx").write_bytes(proto().SerializeToString().replace(old, new))
    with pytest.raises(ModelError, match="expected names in UTF-8"):
        load(tmp_path / "m.onnx")
