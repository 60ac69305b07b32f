"""What a user can get wrong: one line that names it, exit code 1, no output file, no traceback."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import pytest

from tests.helpers.small_models import LENET, dense, onnxdc, saved

BAD_VECTORS = sorted((Path(__file__).parent / "vectors" / "bad").glob("*.onnx"))


def refused(*arguments: object) -> str:
    """The one line with which the command line refuses these arguments."""
    result = onnxdc(*arguments)
    assert result.exit_code == 1, result.output
    assert isinstance(result.exception, SystemExit)
    (line,) = result.stderr.splitlines()
    assert line.startswith("onnxdc: error: ")
    return line.removeprefix("onnxdc: error: ")


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return saved(dense(), tmp_path / "dense.onnx")


@pytest.fixture
def proto() -> onnx.ModelProto:
    return ir.to_proto(dense())


def test_no_file(tmp_path):
    assert refused("inspect", tmp_path / "none.onnx") == f"{tmp_path}/none.onnx: cannot read: No such file or directory"


def test_a_directory(tmp_path):
    assert refused("inspect", tmp_path) == f"{tmp_path}: cannot read: Is a directory"


def test_an_empty_file(tmp_path):
    (tmp_path / "empty.onnx").touch()
    assert "expected an ONNX model, got an empty file" in refused("inspect", tmp_path / "empty.onnx")


@pytest.mark.parametrize("content", [b"This is a text, and no model.\n", bytes(range(256)), b"\x89PNG\r\n\x1a\n" * 40])
def test_not_onnx(tmp_path, content):
    (tmp_path / "odd.onnx").write_bytes(content)
    assert "odd.onnx: not an ONNX model" in refused(
        "compress", tmp_path / "odd.onnx", "-o", tmp_path / "out.onnx", "-q"
    )
    assert not (tmp_path / "out.onnx").exists()


@pytest.mark.parametrize("share", [0.01, 0.5, 0.999])
def test_truncated(tmp_path, share):
    content = LENET.read_bytes()
    (tmp_path / "cut.onnx").write_bytes(content[: int(share * len(content))])
    assert "cut.onnx: truncated: expected at least" in refused("inspect", tmp_path / "cut.onnx")


def test_a_weight_of_the_wrong_type(tmp_path, proto):
    (weight,) = [tensor for tensor in proto.graph.initializer if tensor.name == "fc1"]
    weight.CopyFrom(onnx.numpy_helper.from_array(np.zeros((40, 84), np.int32), "fc1"))
    del proto.graph.initializer[1:]
    del proto.graph.node[1:]
    proto.graph.node[0].input.pop()
    proto.graph.node[0].output[0] = proto.graph.output[0].name
    (tmp_path / "int.onnx").write_bytes(proto.SerializeToString())
    line = refused("compress", tmp_path / "int.onnx", "-o", tmp_path / "out.onnx", "-q")
    assert line == f"{tmp_path}/int.onnx: no weight to compress (fc1: int32, feeds Gemm)"


def test_inputs_of_the_wrong_type(tmp_path, model):
    np.savez(tmp_path / "x.npz", x=np.full((2, 40), "a"))
    line = refused("verify", model, model, "--inputs", tmp_path / "x.npz")
    assert "input x: expected float32, got <U1[2, 40]" in line


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x03\x04"])
def test_inputs_that_are_no_arrays(tmp_path, model, content):
    (tmp_path / "x.npz").write_bytes(content)
    assert "x.npz: cannot read" in refused("verify", model, model, "--inputs", tmp_path / "x.npz")


def test_labels_that_are_not_there(tmp_path, model):
    np.savez(tmp_path / "x.npz", x=np.zeros((2, 40)))
    line = refused("verify", model, model, "--inputs", tmp_path / "x.npz", "--labels", "y")
    assert line == f"{tmp_path}/x.npz: no array y, got x"


def test_an_unknown_operator_set(tmp_path, proto):
    proto.opset_import[0].version = 999
    (tmp_path / "new.onnx").write_bytes(proto.SerializeToString())
    assert "new.onnx: unknown operator set 999, expected 1 to" in refused("inspect", tmp_path / "new.onnx")


def test_missing_external_data(tmp_path, proto):
    onnx.save(proto, tmp_path / "big.onnx", save_as_external_data=True, location="big.data", size_threshold=64)
    (tmp_path / "big.data").unlink()
    line = refused("compress", tmp_path / "big.onnx", "-o", tmp_path / "out.onnx", "-q")
    assert "big.data: No such file or directory" in line


def test_no_weight_to_compress(tmp_path, model):
    line = refused("compress", model, "-o", tmp_path / "out.onnx", "--min-elements", "10000", "-q")
    assert "no weight to compress (fc1: 3360 elements, fewer than 10000)" in line


def test_the_output_is_the_input(model):
    before = model.read_bytes()
    assert "would overwrite" in refused("compress", model, "-o", model)  # a single line: before any progress
    assert model.read_bytes() == before


@pytest.mark.parametrize("output", ["none/out.onnx", "dense.onnx/out.onnx", "."])
def test_an_output_that_cannot_be_written(model, output):
    assert "cannot write: " in refused("compress", model, "-o", model.parent / output)
    assert [path.name for path in model.parent.iterdir()] == ["dense.onnx"]


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        ("[defaults]\ndensity = 2\n", "recipe.toml:2: density: expected a number from 0 to 1, got 2"),
        ("seed = 1\n[[rule]]\npattern = 'fc*'\nbitts = 4\n", "recipe.toml:4: unknown key 'bitts', expected bits"),
        ("[[rule]]\npattern = 'fc3'\n", "recipe.toml:1: pattern 'fc3' matches no weight, the nearest name is"),
        ("bits = \n", "recipe.toml:1: "),
    ],
)
def test_a_bad_recipe_names_line_and_key(model, recipe, message):
    path = model.with_name("recipe.toml")
    path.write_text(recipe)
    assert message in refused("compress", model, "-o", model.with_name("out.onnx"), "--recipe", path, "-q")


def test_a_recipe_that_is_not_there(model):
    line = refused("compress", model, "-o", model.with_name("out.onnx"), "--recipe", "none.toml", "-q")
    assert line.startswith("none.toml: ")


def test_options_that_do_not_go_together(model):
    options = ("--density", "0.1", "--quality", "1", "-q")
    line = refused("compress", model, "-o", model.with_name("out.onnx"), *options)
    assert "expected one of --density, --threshold, --quality" in line


def test_a_compressed_model_is_not_compressed_again(model):
    assert onnxdc("compress", model, "-o", model.with_name("small.onnx"), "-q").exit_code == 0
    line = refused("compress", model.with_name("small.onnx"), "-o", model.with_name("out.onnx"), "-q")
    assert line.endswith("small.onnx: already compressed, expected a model that is not")


def test_a_plain_model_is_not_decoded(model):
    assert "nothing to decode" in refused("decode", model, "-o", model.with_name("out.onnx"), "-q")


@pytest.mark.parametrize("path", BAD_VECTORS, ids=lambda path: path.stem)
def test_a_corrupt_weight_is_refused_by_rule(tmp_path, path):
    rule = path.stem.split("--")[0]
    for arguments in (["inspect", path], ["decode", path, "-o", tmp_path / "out.onnx", "-q"], ["verify", path, path]):
        line = refused(*arguments)
        assert line.startswith(f"{path}: ")
        assert f": {rule}: " in line
    assert not (tmp_path / "out.onnx").exists()
