"""Small models of every operator that changed in operator sets 1 to 11, as old models have them.

The table is by hand where the schema does not say enough: modes, corner values, what is constant. For which operator
sets a row holds is asked of the schemas: those that have its attributes, its number of inputs and their types.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from tests.helpers.few_values import weight
from tests.helpers.text_models import normal

OLDEST_IR, NEWEST_OLD = 3, 10  # IR 3 came with the first operator sets; 10 is the last one that is converted
FEED, WEIGHT, PRODUCT = "fed", "weight", "product"  # so that there is something to share and compress
WITHOUT_SCHEMA = ("ThresholdedRelu",)  # onnxruntime had it before the standard
_IDLE = ("output_sequence",)  # attributes that change nothing
_IR = {8: 3, 9: 4, 10: 5}  # the IR version of an operator set; older ones have 3


@dataclass(frozen=True)
class Constant:
    """An input that is an initializer."""

    array: np.ndarray


Input = np.ndarray | Constant | None


@dataclass(frozen=True, eq=False)
class Row:
    """An operator with inputs and attributes.

    Attributes:
        op: The operator.
        inputs: What goes in: arrays are inputs of the model, None is an input left out.
        attributes: Its attributes.
        outputs: The number of its outputs.
        label: What is special about it.
        opsets: The operator sets to try; those of them whose schema takes the row are.
        expected: The outputs, for versions that onnxruntime does not run.
        refused: What the error says, if it cannot be converted.
        outer: More inputs of the model, named after the others, which only graphs in attributes use.
    """

    op: str
    inputs: tuple[Input, ...]
    attributes: dict[str, Any]
    outputs: int = 1
    label: str = ""
    opsets: range = range(1, NEWEST_OLD + 1)
    expected: tuple[np.ndarray, ...] = ()
    refused: str = ""
    outer: tuple[np.ndarray, ...] = ()

    def __str__(self) -> str:
        return f"{self.op} {self.label}".strip()

    def feeds(self, prefix: str) -> dict[str, np.ndarray]:
        """The inputs of the model."""
        places = enumerate((*self.inputs, *self.outer))
        return {f"{prefix}i{place}": each for place, each in places if isinstance(each, np.ndarray)}

    def constants(self, prefix: str) -> dict[str, np.ndarray]:
        """The initializers of the model."""
        return {f"{prefix}i{place}": each.array for place, each in enumerate(self.inputs) if isinstance(each, Constant)}

    def outputs_of(self, prefix: str) -> list[str]:
        """The outputs of the model."""
        return [f"{prefix}o{place}" for place in range(self.outputs)]

    def node(self, prefix: str) -> onnx.NodeProto:
        """The node of the model."""
        names = ["" if each is None else f"{prefix}i{place}" for place, each in enumerate(self.inputs)]
        return helper.make_node(self.op, names, self.outputs_of(prefix), name=f"{prefix}old", **self.attributes)

    def later(self, opset: int) -> Row | None:
        """The row as a later operator set has it, None if that says it in another way."""
        attributes = {name: value for name, value in self.attributes.items() if name not in _IDLE}
        row = replace(self, attributes=attributes)
        return row if row.fits(opset) else None

    def versions(self) -> list[int]:
        """For each version of the operator that takes the row, the last operator set that has it."""
        newest = {version_of(self.op, opset): opset for opset in self.opsets if self.fits(opset)}
        return list(newest.values())

    def fits(self, opset: int) -> bool:
        """Tell whether the schema of an operator set takes the row."""
        try:
            schema = onnx.defs.get_schema(self.op, opset, "")
        except onnx.defs.SchemaError:
            return self.op in WITHOUT_SCHEMA
        required = {name for name, each in schema.attributes.items() if each.required}
        if not required <= set(self.attributes) <= set(schema.attributes):
            return False
        kinds = all(schema.attributes[name].type == _kind(name, value) for name, value in self.attributes.items())
        count = schema.min_input <= len(self.inputs) <= schema.max_input
        known = kinds and count and self.outputs <= schema.max_output and not schema.deprecated
        return known and self._types_fit(schema)

    def _types_fit(self, schema: onnx.defs.OpSchema) -> bool:
        constraints = {each.type_param_str: each.allowed_type_strs for each in schema.type_constraints}
        formal = list(schema.inputs)
        for place, each in enumerate(self.inputs):
            declared = formal[min(place, len(formal) - 1)].type_str
            array = each.array if isinstance(each, Constant) else each
            if array is not None:
                text = f"tensor({onnx.TensorProto.DataType.Name(_elem_type(array)).lower()})"
                if text not in constraints.get(declared, [declared]):
                    return False
        return True


def model_of(rows: Sequence[Row], opset: int) -> tuple[onnx.ModelProto, dict[str, np.ndarray]]:
    """Build a model of several rows, and a product with a weight; return it with its inputs."""
    prefixes = [""] if len(rows) == 1 else [f"r{place}_" for place in range(len(rows))]
    feeds, constants = {FEED: normal(2, 256, seed=9)}, {WEIGHT: weight(256, 128)}
    nodes = [helper.make_node("MatMul", [FEED, WEIGHT], [PRODUCT])]
    outputs = [PRODUCT]
    for row, prefix in zip(rows, prefixes, strict=True):
        feeds |= row.feeds(prefix)
        constants |= row.constants(prefix)
        nodes.append(row.node(prefix))
        outputs += row.outputs_of(prefix)
    inputs = feeds | (constants if opset < 9 else {})  # initializers had to be inputs
    graph = helper.make_graph(
        nodes,
        "old",
        [helper.make_tensor_value_info(name, _elem_type(array), array.shape) for name, array in inputs.items()],
        [onnx.ValueInfoProto(name=name) for name in outputs],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    imports = [helper.make_opsetid("", opset)]
    return helper.make_model(graph, ir_version=_IR.get(opset, OLDEST_IR), opset_imports=imports), feeds


def _elem_type(array: np.ndarray) -> int:
    return onnx.TensorProto.STRING if array.dtype == object else int(helper.np_dtype_to_tensor_dtype(array.dtype))


def _kind(name: str, value: Any) -> Any:
    return onnx.defs.OpSchema.AttrType(int(helper.make_attribute(name, value).type))


def version_of(op: str, opset: int) -> int:
    """Return the operator set that last changed an operator, 0 if the standard has it only later."""
    try:
        return int(onnx.defs.get_schema(op, opset, "").since_version)
    except onnx.defs.SchemaError:
        return 0


def changed_operators() -> dict[str, list[int]]:
    """Return the operators that changed after they came, up to operator set 11, with the operator sets that did."""
    found: dict[str, list[int]] = {}
    for schema in onnx.defs.get_all_schemas_with_history():
        if schema.domain == "" and schema.since_version <= NEWEST_OLD + 1:
            found.setdefault(schema.name, []).append(schema.since_version)
    return {name: sorted(versions) for name, versions in sorted(found.items()) if len(versions) > 1}
