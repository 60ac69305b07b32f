"""Vectors of int32 in one byte or two an element: which are, that runtimes see the same, and what decode gives back."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import onnx_ir as ir
import onnxruntime as ort
import pytest

from onnxdc.domain.origin import Origins
from onnxdc.errors import ModelError
from onnxdc.passes.decode import decode
from tests.helpers.channel_models import SIZE, channels
from tests.helpers.int8_models import optimised_operators
from tests.helpers.passes import encode


def joined(model: ir.Model) -> dict[str, list[str]]:
    """The names of vectors that come out of each type of joined tensor."""
    found = {}
    for split in (node for node in model.graph if node.op_type == "Split"):
        narrow = split.inputs[0].producer().inputs[0]
        found[narrow.const_value.dtype.name] = [value.name for value in split.outputs]
    return found


@pytest.mark.parametrize("opset", [13, 17])
def test_runtimes_see_the_same_integers_and_decode_gives_them_back(opset: int, tmp_path: Path) -> None:
    plain = channels((30_001, 127, 40_000), opset)
    model = plain.clone()
    encode(model)
    assert joined(model) == {"INT8": ["u0", "b1", "u1", "u2"], "INT16": ["b0"]}
    assert model.graph.initializers["b2"].const_value.dtype is ir.DataType.INT32
    assert optimised_operators(model, tmp_path) == optimised_operators(plain, tmp_path)
    assert optimised_operators(model, tmp_path)["QLinearConv"] == 3
    feed = {"x": np.random.default_rng(3).standard_normal((2, SIZE, 5, 5)).astype(np.float32)}
    outputs = [
        ort.InferenceSession(ir.to_proto(each).SerializeToString(), providers=["CPUExecutionProvider"]).run(None, feed)
        for each in (plain, model)
    ]
    np.testing.assert_array_equal(*[output[0] for output in outputs])
    assert len(np.unique(outputs[0][0])) > 50
    assert ir.to_proto(decode(model).model) == ir.to_proto(plain)


def test_the_least_integer_of_a_type_fits_and_the_next_one_does_not() -> None:
    model = channels((128, 129, 32_768, 32_769), x_scale=0.04)
    for index, least in enumerate((-128, -129, -32_768, -32_769)):
        bias = model.graph.initializers[f"b{index}"]
        array = np.clip(bias.const_value.numpy(), least, -least - 1).astype(np.int32)
        bias.const_value = ir.Tensor(array, name=bias.name)
    encode(model)
    types = {name: dtype for dtype, names in joined(model).items() for name in names if name.startswith("b")}
    assert types == {"b0": "INT8", "b1": "INT16", "b2": "INT16"}


def test_integers_that_something_else_reads_stay() -> None:
    model = channels((100, 100))
    bias = model.graph.initializers["b0"]
    made = ir.Node("", "Neg", [bias], outputs=[ir.Value(name="negative")], name="")
    made.outputs[0].type, made.outputs[0].shape = ir.TensorType(ir.DataType.INT32), ir.Shape([SIZE])
    model.graph.append(made)
    model.graph.outputs.append(made.outputs[0])
    encode(model)
    assert joined(model) == {"INT8": ["u0", "b1", "u1"]}


def test_a_joined_tensor_of_another_type_is_refused() -> None:
    model = channels((100, 100))
    encode(model)
    (name,) = Origins.take(model.clone()).halves
    value = model.graph.initializers[name]
    value.const_value = ir.Tensor(value.const_value.numpy().astype(np.float16), name=name)
    with pytest.raises(ModelError, match="expected a Cast and a Split of"):
        decode(model)


def test_many_zero_points_become_a_quarter() -> None:
    sizes = Counter[bool]()
    for is_coded in (False, True):
        model = channels((100,) * 6)
        if is_coded:
            encode(model)
        tensors = [value.const_value for value in model.graph.initializers.values()]
        sizes[is_coded] = sum(
            t.nbytes for t in tensors if t.dtype in (ir.DataType.INT32, ir.DataType.INT8) and t.size > 1
        )
    zero_points = 6 * SIZE  # of weights, int8, stay; codebooks are int8, too
    weights = 6 * SIZE * SIZE
    assert sizes[False] == weights + zero_points + 2 * 6 * 4 * SIZE
    assert sizes[True] - zero_points < 2 * 6 * SIZE + 256
