"""Small models for the tests of the library's verbs and of the command line, and their files."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx_ir as ir
from click.testing import CliRunner, Result

from onnxdc.cli import cli
from tests.helpers.text_models import build, normal

EXAMPLES = Path(__file__).parents[2] / "examples"
LENET = EXAMPLES / "lenet_300_100.onnx"
CNN = EXAMPLES / "digits_cnn.onnx"
DIGITS = EXAMPLES / "digits_test.npz"


def dense(seed: int = 0) -> ir.Model:
    """Two fully connected layers, [N, 40] to [N, 10]: 4,200 weights in fc1, fc2 and 105 biases."""
    return build(
        """
        dense (float[N, 40] x) => (float[N, 10] y) {
            h = Gemm(x, fc1, b1)
            a = Relu(h)
            y = MatMul(a, fc2)
        }
        """,
        fc1=normal(40, 84, seed=seed),
        b1=normal(84, seed=seed + 1),
        fc2=normal(84, 10, seed=seed + 2),
    )


def recurrent() -> ir.Model:
    """An LSTM, whose weights no sparse operator takes."""
    return build(
        "lstm (float[S, N, 16] x) => (float[S, D, N, 32] y) { y = LSTM<hidden_size: int = 32>(x, W, R) }",
        W=normal(1, 128, 16, seed=1) / 4,
        R=normal(1, 128, 32, seed=2) / 4,
    )


def saved(model: ir.Model, path: Path) -> Path:
    """The path, with the model in it."""
    path.write_bytes(ir.to_proto(model).SerializeToString())
    return path


def constants(model: ir.Model) -> dict[str, np.ndarray]:
    """The initializers of the main graph."""
    return {name: value.const_value.numpy() for name, value in model.graph.initializers.items()}


def onnxdc(*arguments: object) -> Result:
    """What the command line does with these arguments."""
    return CliRunner().invoke(cli, [str(argument) for argument in arguments])


def report_of(result: Result) -> dict:
    """The JSON that a command printed."""
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)
