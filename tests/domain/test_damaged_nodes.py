"""A node of the domain that is not of the form that docs/format.md gives it is refused by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx_ir as ir
import pytest

from onnxdc.domain.limits import Budget
from onnxdc.domain.operators import DOMAIN, is_symbols
from onnxdc.domain.origin import KEY, Origin
from onnxdc.domain.weight_origin import restored_tensor, restored_value
from onnxdc.errors import FormatError, ModelError
from onnxdc.passes.decode import charge_portable, decode, decode_dense_nodes
from onnxdc.recipe import Options, Recipe
from tests.helpers.few_values import weight
from tests.helpers.passes import encode
from tests.helpers.text_models import build

GEMM = "g (float[M, 64] A) => (float[M, 48] Y) { P = Gemm <alpha = 0.5> (A, W) Y = LeakyRelu <alpha = 0.2> (P) }"


def encoded(execution: str) -> ir.Model:
    model = build(GEMM, W=weight(64, 48))
    encode(model, Recipe(defaults=Options(execution=execution)))
    return model


def own_node(model: ir.Model) -> ir.Node:
    """The node that a group feeds, but not the one that yields its symbols, if it has some."""
    return next(node for node in model.graph if node.domain == DOMAIN and not is_symbols(node.op_type))


def attribute(name: str, value: Any) -> Callable[[ir.Model], None]:
    def change(model: ir.Model) -> None:
        own_node(model).attributes.add(ir.convenience.convert_attribute(name, value))

    return change


def reference(name: str) -> Callable[[ir.Model], None]:
    def change(model: ir.Model) -> None:
        own_node(model).attributes.add(ir.RefAttr(name, "outer", ir.AttributeType.INT))

    return change


def import_version(version: int | None) -> Callable[[ir.Model], None]:
    def change(model: ir.Model) -> None:
        model.opset_imports.pop("onnxdc")
        if version is not None:
            model.opset_imports["onnxdc"] = version

    return change


def more_inputs(model: ir.Model) -> None:
    own_node(model).resize_inputs(30)


def no_inputs(model: ir.Model) -> None:
    own_node(model).resize_inputs(0)


def rename(model: ir.Model) -> None:
    own_node(model).op_type = "SparseQuantLstm"


def let_callers_set_the_codes(model: ir.Model) -> None:
    model.graph.inputs.append(
        next(value for name, value in model.graph.initializers.items() if name.endswith(".codes"))
    )


CHANGES = {
    "checksum is a reference": (reference("checksum"), "checksum: expected an attribute of type INT, got a reference"),
    "checksum is a text": (attribute("checksum", "1"), "checksum: expected an attribute of type INT, got STRING"),
    "packet is a float": (
        attribute("packet", 64.0),
        "packet: expected an attribute of type INT",
    ),
    "group_axis is a list": (attribute("group_axis", [0]), "group_axis: expected an attribute of type INT, got INTS"),
    "slope is an integer": (attribute("slope", 1), "slope: expected an attribute of type FLOAT, got INT"),
    "no version": (
        import_version(None),
        "expected version 1 of the operator set onnxdc, .* got none",
    ),
    "version 2": (import_version(2), "expected version 1 of the operator set onnxdc, .* got 2"),
    "too many inputs": (more_inputs, "inputs of"),
    "unknown operator": (rename, "unknown operator onnxdc.SparseQuantLstm"),
    "no inputs": (no_inputs, "tensor-type: codebook is missing or not constant"),
    "a graph input": (let_callers_set_the_codes, "tensor-type: codes is missing or not constant"),
    "unknown dtype": (attribute("dtype", 99), "codebook-type: unknown dtype"),
}


@pytest.mark.parametrize("work", [decode, decode_dense_nodes, lambda model: charge_portable(model, Budget(2**40))])
@pytest.mark.parametrize("execution", ["sparse", "dense"])
@pytest.mark.parametrize(("change", "message"), CHANGES.values(), ids=CHANGES.keys())
def test_a_damaged_node_is_refused(execution, change, message, work):
    model = encoded(execution)
    change(model)
    with pytest.raises((ModelError, FormatError), match=message) as error:
        work(model)
    assert "\n" not in str(error.value)


def test_a_group_that_two_nodes_take_is_decoded_for_both():
    model = encoded("sparse")
    node = own_node(model)
    copy = ir.Node("onnxdc", node.op_type, node.inputs, node.attributes.values(), name="again")
    copy.outputs[0].name = "Z"
    model.graph.append(copy)
    result = decode(model)
    assert [node.op_type for node in result.model.graph].count("Gemm") == 2


def rename_the_group(model: ir.Model, old: str, new: str) -> None:
    value = model.graph.initializers.pop(old)
    value.name = new
    model.graph.initializers.add(value)


def test_a_group_without_a_name_is_decoded():
    model = encoded("sparse")
    rename_the_group(model, "W.codebook", ".codebook")
    assert "weight" in decode(model).model.graph.initializers


@pytest.mark.parametrize("name", ["A", "Y"])
def test_a_weight_does_not_take_the_name_of_another_value(name):
    model = encoded("sparse")
    rename_the_group(model, "W.codebook", f"{name}.codebook")
    with pytest.raises(ModelError, match=f"{name}: a weight decodes to this name, which another value has"):
        decode(model)


def test_a_tensor_of_a_group_that_is_an_output_stays():
    model = encoded("sparse")
    model.graph.outputs.append(model.graph.initializers["W.codebook"])
    assert "W.codebook" in decode(model).model.graph.initializers


@pytest.mark.parametrize("work", [decode, decode_dense_nodes])
def test_a_node_of_the_domain_in_a_function_is_refused(work):
    model = encoded("sparse")
    node = ir.Node("onnxdc", "DecodeWeight", [ir.Value(name=f"i{number}") for number in range(7)])
    inner = ir.Graph(node.inputs, node.outputs, nodes=[node], name="f", opset_imports={"onnxdc": 1})
    model.functions["local", "f", ""] = ir.Function("local", "f", graph=inner, attributes=[])
    with pytest.raises(ModelError, match="function f: expected no node of the domain onnxdc in it"):
        work(model)


@pytest.mark.parametrize(
    ("origin", "message"),
    [
        (Origin(info="no base64"), "info is no value_info"),
        (Origin(info="CgH/"), "info is no value_info"),  # a name that is no UTF-8
        (Origin(info="EgQKAggL"), "info: expected FLOAT, got"),  # a tensor of float64
        (Origin(info="EgIiAA=="), "info is no value_info"),  # a sequence of nothing
    ],
)
def test_an_odd_value_info_of_the_origin_is_refused(origin, message):
    with pytest.raises(ModelError, match=f"metadata entry {KEY}: w: {message}"):
        restored_value("w", ir.DataType.FLOAT, ir.Shape([2]), origin)


@pytest.mark.parametrize("storage", ["double_data", "int32_data", "string_data", "name"])
def test_a_field_that_does_not_hold_the_type_is_refused(storage):
    with pytest.raises(ModelError, match=f"float32 is not stored in '{storage}'"):
        restored_tensor("w", np.zeros(2, np.float32), Origin(storage=storage))
