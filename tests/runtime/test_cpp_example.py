"""The example in C++ compiles, opens compressed models through the C interface, and gets the outputs of Python."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx_ir as ir
import onnxruntime
import pytest

import onnxdc
from onnxdc import native
from tests.helpers.few_values import weight
from tests.helpers.text_models import build, normal

EXAMPLE = Path(__file__).parents[2] / "examples" / "cpp"

LAYERS = """
    layers (float[N, 40] x) => (float[N, 500] y) {
        h = Gemm(x, fc1, b1)
        a = Relu(h)
        y = MatMul(a, fc2)
    }
"""


def command(name: str) -> str:
    """A program of this environment or of the system."""
    found = shutil.which(name, path=os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]))
    if found is None:
        pytest.skip(f"{name} is missing")
    return found


def runtime_library() -> Path:
    """The library of onnxruntime for programs, which its package for Python brings on some systems."""
    folder = Path(onnxruntime.__file__).parent / "capi"
    for path in sorted([*folder.glob("libonnxruntime.so*"), *folder.glob("libonnxruntime*.dylib")]):
        return path
    pytest.skip(f"onnxruntime {onnxruntime.__version__} for Python brings no library for programs")


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cpp")
    command("c++")
    cmake = command("cmake")
    settings = {
        "ONNXDC_INCLUDE": native.include_dir(),
        "ONNXDC_LIBRARY": native.library_path(),
        "ONNXRUNTIME_LIBRARY": runtime_library(),
        "CMAKE_CXX_FLAGS": "-Werror",
    }
    for arguments in (
        ["-S", EXAMPLE, "-B", folder, *(f"-D{key}={value}" for key, value in settings.items())],
        ["--build", folder],
    ):
        done = subprocess.run([cmake, *arguments], capture_output=True, text=True, timeout=600)
        assert done.returncode == 0, done.stdout + done.stderr
    return folder / "open_model"


def opened(program: Path, *arguments: object) -> list[str]:
    """The lines that the program prints, in a folder of its own where it leaves nothing."""
    done = subprocess.run([program, *map(str, arguments)], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def expected_line(path: Path) -> str:
    """The line of the output, for inputs as the program makes them."""
    options = onnxruntime.SessionOptions()
    options.register_custom_ops_library(native.library_path())
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    x = (np.arange(40, dtype=np.float32) % 97 / np.float32(97)).reshape(1, 40)
    (y,) = session.run(None, {"x": x})
    return " ".join([f"y [{', '.join(map(str, y.shape))}]", *(f"{value:.9g}" for value in y.ravel()[:8].tolist())])


@pytest.mark.parametrize("execution", ["dense", "sparse"])
def test_outputs_are_those_of_python(tmp_path: Path, program: Path, execution: str) -> None:
    model = build(LAYERS, fc1=weight(40, 1000), b1=normal(1000), fc2=weight(1000, 500, seed=1))
    path = tmp_path / "small.onnx"
    onnxdc.encode(model, execution=execution, check=False).save(path)
    first, *lines = opened(program, path, path)
    assert first == f"onnxdc {onnxdc.__version__}, onnxruntime {onnxruntime.__version__}"
    assert [line.startswith(f"{path}: opened in ") for line in lines] == [True, False] * 2
    assert lines[1::2] == [expected_line(path)] * 2
    assert opened(program, "--direct", path)[-1] == expected_line(path)
    assert [file.name for file in tmp_path.iterdir()] == ["small.onnx"]


def test_a_model_that_is_not_compressed_opens_too(tmp_path: Path, program: Path) -> None:
    model = build(LAYERS, fc1=normal(40, 1000), b1=normal(1000), fc2=normal(1000, 500, seed=1))
    path = tmp_path / "plain.onnx"
    path.write_bytes(ir.to_proto(model).SerializeToString())
    assert opened(program, path)[-1] == expected_line(path)


def test_an_error_is_one_line(tmp_path: Path, program: Path) -> None:
    (tmp_path / "no.onnx").write_bytes(b"no model")
    for arguments, code, line in (
        ([], 2, "usage: open_model [--direct] MODEL.onnx..."),
        ([tmp_path / "no.onnx"], 1, "no ONNX model: "),
        ([tmp_path / "missing.onnx"], 1, f"{tmp_path / 'missing.onnx'} cannot be read"),
    ):
        done = subprocess.run([program, *map(str, arguments)], capture_output=True, text=True, timeout=300)
        assert done.returncode == code
        assert done.stderr.startswith(line)
        assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(("compiler", "language", "standard"), [("cc", "c", "c99"), ("c++", "c++", "c++17")])
def test_the_header_is_plain_c(tmp_path: Path, compiler: str, language: str, standard: str) -> None:
    source = tmp_path / "program.c"
    source.write_text("#include <onnxdc.h>\nint main(void) { return onnxdc_version() == 0; }\n")
    options = ["-x", language, f"-std={standard}", "-Wall", "-Wextra", "-pedantic", "-Werror", "-fsyntax-only"]
    done = subprocess.run(
        [command(compiler), *options, f"-I{native.include_dir()}", source], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
