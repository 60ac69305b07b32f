"""Models in and out of files: what is read, what is refused and how, what is written and when nothing is."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime as ort
import pytest

from onnxdc.errors import ModelError
from onnxdc.model_io import files, load, save
from onnxdc.passes.decode import decode
from tests.helpers.few_values import run, weight
from tests.helpers.passes import encode
from tests.helpers.text_models import build, normal

TEXT = "g (float[M, 64] A) => (float[M, 48] Y) { Y = Gemm(A, W, C) }"


def model_proto(**options: int) -> onnx.ModelProto:
    proto = ir.to_proto(build(TEXT, **options, W=weight(64, 48), C=normal(48)))
    del proto.graph.value_info[:]
    return proto


@pytest.fixture
def model_file(tmp_path: Path) -> Path:
    path = tmp_path / "model.onnx"
    path.write_bytes(model_proto().SerializeToString())
    return path


@pytest.fixture
def external_file(tmp_path: Path) -> Path:
    path = tmp_path / "external.onnx"
    onnx.save(model_proto(), path, save_as_external_data=True, location="external.data", size_threshold=1000)
    return path


def message(source: object) -> str:
    with pytest.raises(ModelError) as caught:
        load(source)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_file_is_written_as_it_was_read(model_file: Path, tmp_path: Path):
    save(load(model_file), tmp_path / "copy.onnx")
    assert (tmp_path / "copy.onnx").read_bytes() == model_file.read_bytes()


@pytest.mark.parametrize("where", ["initializer", "value_info"])
def test_declared_types_and_tensor_texts_are_kept(where: str, tmp_path: Path):
    proto = model_proto()
    if where == "initializer":
        proto.graph.initializer[0].metadata_props.add(key="epoch", value="7")
    else:
        proto.graph.value_info.append(onnx.helper.make_tensor_value_info("W", 1, [64, 48]))
    before = proto.SerializeToString()
    save(load(proto), tmp_path / "copy.onnx")
    assert onnx.load(tmp_path / "copy.onnx") == onnx.ModelProto.FromString(before)
    assert proto.SerializeToString() == before


def test_a_constant_that_is_an_output_keeps_its_type():
    text = """g (bool c, float[M, 64] A) => (float[M, 48] Y, float[64, 48] W, float[48] B) {
        Y = MatMul (A, W)
        B = If (c) <then_branch = t () => (float[48] C) {}, else_branch = e () => (float[48] d) { d = Identity (D) }>
    }"""
    model = build(text, W=weight(64, 48), D=normal(48))
    branch = model.graph[1].attributes["then_branch"].as_graph()
    branch.outputs[0].const_value = ir.Tensor(normal(48))
    branch.initializers.add(branch.outputs[0])
    proto = ir.to_proto(model)
    del proto.graph.value_info[:]
    del proto.graph.node[1].attribute[0].g.value_info[:]
    for model in (load(proto), encode(load(proto), force=True).model):
        onnx.checker.check_model(ir.to_proto(model))
        assert list(ir.to_proto(model).graph.output) == list(proto.graph.output)
        feeds = {"c": np.array(True), "A": normal(2, 64)}
        np.testing.assert_array_equal(run(model, feeds)[1], weight(64, 48))


def test_a_model_in_memory_is_left_as_it_is():
    for source in (model_proto(), ir.from_proto(model_proto())):
        before = source if isinstance(source, onnx.ModelProto) else ir.to_proto(source)
        before = before.SerializeToString()
        encode(load(source), force=True)
        after = source if isinstance(source, onnx.ModelProto) else ir.to_proto(source)
        assert after.SerializeToString() == before


def test_external_data_is_mapped_not_read(external_file: Path):
    tensor = load(external_file).graph.initializers["W"].const_value
    assert isinstance(tensor, ir.ExternalTensor)
    np.testing.assert_array_equal(tensor.numpy(), weight(64, 48))


def test_external_data_of_a_model_that_fits_is_taken_into_the_file(external_file: Path, tmp_path: Path):
    target = tmp_path / "one.onnx"
    save(load(external_file), target)
    assert not list(tmp_path.glob("one.onnx.*"))
    assert onnx.load(target, load_external_data=False) == model_proto()


def test_external_data_of_a_large_model_stays_external(external_file: Path, tmp_path: Path, monkeypatch):
    monkeypatch.setattr(files, "LARGE", 1000)
    target = tmp_path / "large.onnx"
    save(load(external_file), target)
    assert target.stat().st_size < 1000
    assert onnx.load(target).graph.initializer[0].raw_data == weight(64, 48).tobytes()
    ort.InferenceSession(target, providers=["CPUExecutionProvider"])


def test_data_that_protobuf_cannot_hold_is_written_beside_the_model(model_file: Path, tmp_path: Path, monkeypatch):
    monkeypatch.setattr(files, "PROTOBUF_LIMIT", 1000)
    target = tmp_path / "large.onnx"
    save(load(model_file), target)
    written = onnx.load(target, load_external_data=False)
    (data,) = tmp_path.glob("large.onnx.*.data")
    assert {entry.key: entry.value for entry in written.graph.initializer[0].external_data} == {
        "location": data.name,
        "offset": "0",
        "length": str(64 * 48 * 4),
    }
    assert written.graph.initializer[1].raw_data  # small ones stay in the model
    assert onnx.load(target).graph.initializer[0].raw_data == weight(64, 48).tobytes()


def test_a_model_with_external_data_goes_through_encode_and_decode(external_file: Path, tmp_path: Path, monkeypatch):
    monkeypatch.setattr(files, "LARGE", 1000)
    monkeypatch.setattr(files, "PROTOBUF_LIMIT", 10_000)
    save(encode(load(external_file), force=True).model, tmp_path / "encoded.onnx")
    assert not list(tmp_path.glob("encoded.onnx.*"))
    save(decode(load(tmp_path / "encoded.onnx")).model, tmp_path / "decoded.onnx")
    assert len(list(tmp_path.glob("decoded.onnx.*.data"))) == 1
    assert onnx.load(tmp_path / "decoded.onnx").graph.initializer[0].raw_data == weight(64, 48).tobytes()


def test_an_external_tensor_of_a_constant_node_is_taken_into_the_file(tmp_path: Path):
    tensor = ir.to_proto(ir.Tensor(weight(64, 48), name="inside"))
    proto = model_proto()
    del proto.graph.initializer[0]
    proto.graph.node.insert(0, onnx.helper.make_node("Constant", [], ["W"], value=tensor))
    onnx.save(
        proto,
        tmp_path / "constant.onnx",
        save_as_external_data=True,
        location="constant.data",
        size_threshold=1000,
        convert_attribute=True,
    )
    model = load(tmp_path / "constant.onnx")
    assert (tmp_path / "constant.onnx").stat().st_size < 1000
    save(model, tmp_path / "one.onnx")
    written = onnx.load(tmp_path / "one.onnx", load_external_data=False)
    assert written.graph.node[0].attribute[0].t.raw_data == weight(64, 48).tobytes()


def test_an_old_operator_set_is_lifted():
    text = "g (float[2, 8] X) => (float[2, 4] Y) { Y = Slice <axes=[1], starts=[0], ends=[4]> (X) }"
    old = ir.to_proto(build(text, opset=9))
    model = load(old)
    assert model.opset_imports[""] == 11
    assert load(old, upgrade=False).opset_imports[""] == 9
    feeds = {"X": normal(2, 8)}
    np.testing.assert_array_equal(run(model, feeds)[0], feeds["X"][:, :4])


def test_an_operator_set_that_cannot_be_lifted_is_refused_by_name():
    text = "g (float[2, 8] X) => (float[2, 8] Y) { Y = Upsample <scales=[1.0, 1.0]> (X) }"
    assert message(ir.to_proto(build(text, opset=9))).endswith("Upsample 'Y': expected 2 inputs, got 1")


def test_a_model_with_functions_is_not_lifted_without_them():
    text = """g (float[2, 8] X) => (float[2, 8] Y) { Y = local.f (X) }
        <domain: "local", opset_import: ["" : 10]> f (a) => (b) { b = Relu (a) }"""
    assert "operator set 10 cannot be converted to 11: it has a function, f" in message(
        ir.to_proto(build(text, opset=10))
    )


def change_opset(version: int) -> Callable[[onnx.ModelProto], None]:
    def change(proto: onnx.ModelProto) -> None:
        proto.opset_import[0].version = version

    return change


def drop_opset(proto: onnx.ModelProto) -> None:
    del proto.opset_import[0]


def make_it_new(proto: onnx.ModelProto) -> None:
    proto.ir_version = 99


def make_an_initializer_sparse(proto: onnx.ModelProto) -> None:
    proto.graph.sparse_initializer.add().values.name = "W"


def branch_of(proto: onnx.ModelProto) -> onnx.GraphProto:
    """A new graph inside the graph."""
    node = proto.graph.node.add(op_type="If", input=["c"], output=["o"])
    return node.attribute.add(name="then_branch", type=onnx.AttributeProto.GRAPH).g


def make_an_initializer_of_a_branch_sparse(proto: onnx.ModelProto) -> None:
    branch_of(proto).sparse_initializer.add().values.name = "V"


def repeat_an_initializer(proto: onnx.ModelProto) -> None:
    proto.graph.initializer.append(proto.graph.initializer[0])


def give_training_info(proto: onnx.ModelProto) -> None:
    proto.training_info.add()


def drop_a_name(proto: onnx.ModelProto) -> None:
    proto.graph.initializer[0].ClearField("name")


def drop_a_name_in_a_branch(proto: onnx.ModelProto) -> None:
    branch_of(proto).initializer.add()


def give_an_unknown_type(proto: onnx.ModelProto) -> None:
    proto.graph.initializer[0].data_type = 77


def produce_a_value_twice(proto: onnx.ModelProto) -> None:
    proto.graph.node.append(proto.graph.node[0])


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (change_opset(999), "unknown operator set 999, expected 1 to"),
        (change_opset(0), "unknown operator set 0, expected 1 to"),
        (drop_opset, "imports no operator set of the domain ai.onnx"),
        (make_it_new, "unknown IR version 99"),
        (make_an_initializer_sparse, "W is a sparse_initializer, which is not supported"),
        (make_an_initializer_of_a_branch_sparse, "V is a sparse_initializer, which is not supported"),
        (repeat_an_initializer, "not valid ONNX: two initializers have the name W"),
        (give_training_info, "has training_info, which is not supported"),
        (drop_a_name_in_a_branch, "an initializer has no name"),
        (drop_a_name, "an initializer has no name"),
        (give_an_unknown_type, "not valid ONNX: tensor 'W': unknown element type 77"),
        (produce_a_value_twice, "not valid ONNX: Gemm 'Y' makes 'Y', which is made already"),
    ],
)
def test_a_model_that_cannot_be_used_is_named(change: Callable[[onnx.ModelProto], None], expected: str):
    proto = model_proto()
    change(proto)
    assert message(proto).startswith("model: ")
    assert expected in message(proto)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "expected an ONNX model, got an empty file"),
        (b"# a text file\n" * 10, "not an ONNX model"),
        (bytes(100), "not an ONNX model"),
        (b"\x08\x07", "not an ONNX model: it holds no graph"),
    ],
)
def test_bytes_that_are_no_model_are_named(tmp_path: Path, content: bytes, expected: str):
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    assert message(path) == f"{path}: {expected}"


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_a_truncated_model_is_named(model_file: Path, share: float):
    size = int(share * model_file.stat().st_size)
    os.truncate(model_file, size)
    assert message(model_file).startswith(f"{model_file}: truncated: expected at least ")
    assert message(model_file).endswith(f" bytes, got {size}")


def test_files_that_cannot_be_read_are_named(tmp_path: Path):
    assert message(tmp_path / "none.onnx") == f"{tmp_path / 'none.onnx'}: cannot read: No such file or directory"
    assert message(tmp_path) == f"{tmp_path}: cannot read: Is a directory"


def test_missing_external_data_is_named(external_file: Path, tmp_path: Path):
    (tmp_path / "external.data").unlink()
    assert message(external_file).startswith(f"{external_file}: W: external data {tmp_path / 'external.data'}: No such")


def test_truncated_external_data_is_named(external_file: Path, tmp_path: Path):
    os.truncate(tmp_path / "external.data", 12_000)
    assert message(external_file).endswith("external.data is truncated: expected 12288 bytes, got 12000")


def test_external_data_of_another_length_is_named(external_file: Path):
    proto = onnx.load(external_file, load_external_data=False)
    next(entry for entry in proto.graph.initializer[0].external_data if entry.key == "length").value = "12000"
    external_file.write_bytes(proto.SerializeToString())
    assert message(external_file).endswith("W: expected external data of 12288 bytes, got 12000")


@pytest.mark.parametrize("location", ["../elsewhere.data", "/etc/hostname", "link.data"])
def test_external_data_elsewhere_is_refused(external_file: Path, tmp_path: Path, location: str):
    (tmp_path / "link.data").symlink_to("/etc/hostname")
    proto = onnx.load(external_file, load_external_data=False)
    next(entry for entry in proto.graph.initializer[0].external_data if entry.key == "location").value = location
    external_file.write_bytes(proto.SerializeToString())
    assert message(external_file).endswith(f"external data {location!r} lies outside of the model's directory")


def test_external_data_with_a_second_name_are_read(external_file: Path, tmp_path: Path):
    expected = load(external_file).graph.initializers["W"].const_value.numpy()
    os.link(tmp_path / "external.data", tmp_path / "other.data")
    np.testing.assert_array_equal(load(external_file).graph.initializers["W"].const_value.numpy(), expected)


def test_a_model_of_a_cache_of_links_is_read(external_file: Path, tmp_path: Path):
    """As the cache of a model hub lies on disk: names are links to files called by their digests."""
    blobs, names = tmp_path / "blobs", tmp_path / "snapshots" / "1a2b"
    blobs.mkdir()
    names.mkdir(parents=True)
    for name, digest in (("model.onnx", "aaaa"), ("external.data", "bbbb")):
        (tmp_path / name if name != "model.onnx" else external_file).rename(blobs / digest)
        (names / name).symlink_to(blobs / digest)
    assert load(names / "model.onnx").graph.initializers["W"].const_value.numpy().any()


def refused(model: ir.Model, path: Path) -> str:
    with pytest.raises(ModelError) as caught:
        save(model, path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_the_output_cannot_be_the_input(model_file: Path, tmp_path: Path):
    content = model_file.read_bytes()
    (tmp_path / "soft.onnx").symlink_to(model_file)
    os.link(model_file, tmp_path / "hard.onnx")
    for path in (model_file, tmp_path / "soft.onnx", tmp_path / "hard.onnx", tmp_path / "." / "model.onnx"):
        assert "the output would overwrite" in refused(load(model_file), path)
    assert model_file.read_bytes() == content


def test_an_output_that_cannot_be_written_is_named(tmp_path: Path):
    model = load(model_proto())
    assert refused(model, tmp_path) == f"{tmp_path}: cannot write: it is a directory, expected a regular file"
    missing = tmp_path / "none" / "out.onnx"
    assert refused(model, missing) == f"{missing}: cannot write: No such file or directory"


@pytest.mark.parametrize("limit", [1000, 2**31])
def test_nothing_is_left_of_a_failed_write(tmp_path: Path, monkeypatch, limit: int):
    target = tmp_path / "out.onnx"
    target.write_bytes(b"what was there before")

    def fail(self: object) -> bytes:
        raise OSError(28, "No space left on device")

    model = load(model_proto())
    expected = ir.to_proto(model)
    monkeypatch.setattr(files, "PROTOBUF_LIMIT", limit)
    with monkeypatch.context() as patch:
        patch.setattr(ir, "to_proto", fail)
        assert refused(model, target) == f"{target}: cannot write: No space left on device"
    assert os.listdir(tmp_path) == ["out.onnx"]
    assert target.read_bytes() == b"what was there before"
    assert ir.to_proto(model) == expected


def test_an_output_is_replaced_through_a_link(model_file: Path, tmp_path: Path):
    (tmp_path / "real.onnx").write_bytes(b"old")
    (tmp_path / "link.onnx").symlink_to("real.onnx")
    save(load(model_file), tmp_path / "link.onnx")
    assert (tmp_path / "link.onnx").is_symlink()
    assert (tmp_path / "real.onnx").read_bytes() == model_file.read_bytes()


def test_slopes_of_an_old_prelu_stay_with_their_channels():
    x = np.random.default_rng(0).standard_normal((2, 3, 3, 3)).astype(np.float32)  # as many channels as columns
    slope = np.array([0.1, 0.5, 2.0], np.float32)
    value = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("PRelu", ["x", "slope"], ["y"])],
        "old",
        [value("x", onnx.TensorProto.FLOAT, x.shape), value("slope", onnx.TensorProto.FLOAT, [3])],
        [value("y", onnx.TensorProto.FLOAT, x.shape)],
        [onnx.numpy_helper.from_array(slope, "slope")],
    )
    old = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 6)], ir_version=3)
    session = ort.InferenceSession(ir.to_proto(load(old)).SerializeToString())
    expected = np.where(x < 0, slope[:, None, None] * x, x)
    np.testing.assert_allclose(session.run(None, {"x": x})[0], expected, rtol=1e-6)
