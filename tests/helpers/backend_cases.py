"""The `onnx` package's own backend test models, with every weight made a constant that an encoder can see."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnx.backend.test
from onnx import numpy_helper

DATA = Path(onnx.backend.test.__file__).parent / "data"
STORED_KINDS = ("pytorch-converted", "pytorch-operator", "simple")

# The inputs of an operator that are weights. MatMul may have its constant on either side; the right one is made so.
WEIGHT_INPUTS = {
    "Gemm": (1,),
    "MatMul": (1,),
    "Conv": (1,),
    "ConvTranspose": (1,),
    "Gather": (0,),
    "LSTM": (1, 2),
    "GRU": (1, 2),
    "RNN": (1, 2),
}


@dataclass(frozen=True)
class Case:
    """A model with one stored run: inputs by name, outputs in graph order, and the tolerance that its authors allow."""

    name: str
    model: onnx.ModelProto
    inputs: dict[str, np.ndarray]
    outputs: list[np.ndarray]
    rtol: float = 1e-3
    atol: float = 1e-7


def _read(path: Path, kind: onnx.TypeProto) -> np.ndarray | list[np.ndarray] | None:
    data = path.read_bytes()
    if kind.HasField("sequence_type"):
        sequence = onnx.SequenceProto()
        sequence.ParseFromString(data)
        return numpy_helper.to_list(sequence)
    if kind.HasField("optional_type"):
        optional = onnx.OptionalProto()
        optional.ParseFromString(data)
        return numpy_helper.to_optional(optional)
    return numpy_helper.to_array(onnx.TensorProto.FromString(data))


def _feeds(model: onnx.ModelProto) -> list[onnx.ValueInfoProto]:
    """The graph inputs that a caller must feed: those without an initializer."""
    initialized = {tensor.name for tensor in model.graph.initializer}
    return [value for value in model.graph.input if value.name not in initialized]


def stored_names(kind: str) -> list[str]:
    """Names of the stored models of a kind."""
    return sorted(path.parent.name for path in (DATA / kind).glob("*/model.onnx"))


def stored_case(kind: str, name: str) -> Case:
    """A model that is stored with its inputs and outputs."""
    folder = DATA / kind / name
    model = onnx.load(folder / "model.onnx")
    run = folder / "test_data_set_0"
    feeds = model.graph.input
    inputs = {
        value.name: _read(run / f"input_{i}.pb", value.type)
        for i, value in enumerate(feeds)
        if (run / f"input_{i}.pb").exists()
    }
    outputs = [_read(run / f"output_{i}.pb", value.type) for i, value in enumerate(model.graph.output)]
    return _freeze(Case(name, model, inputs, outputs))


def light_names() -> list[str]:
    """Names of the `light` models: known networks whose weights come from ConstantOfShape nodes."""
    return sorted(path.stem for path in (DATA / "light").glob("*.onnx"))


def light_case(name: str) -> Case:
    """A light model with its weights written out, the suite's own dummy input, and its stored output."""
    model = onnx.load(DATA / "light" / f"{name}.onnx")
    stored = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    kept = []
    for node in model.graph.node:
        if node.op_type == "ConstantOfShape":
            value = numpy_helper.to_array(node.attribute[0].t)[0]
            array = np.full(stored[node.input[0]], value)
            model.graph.initializer.append(numpy_helper.from_array(array, node.output[0]))
        else:
            kept.append(node)
    del model.graph.node[:]
    model.graph.node.extend(kept)
    model.ir_version = max(model.ir_version, 4)  # below, every initializer would have to be an input too
    (value,) = _feeds(model)
    shape = [dim.dim_value for dim in value.type.tensor_type.shape.dim]
    count = int(np.prod(shape))
    feed = (np.arange(count).reshape(shape) / count).astype(np.float32)
    output = _read(DATA / "light" / f"{name}_output_0.pb", model.graph.output[0].type)
    return Case(name, model, {value.name: feed}, [output], rtol=2e-3 if "densenet" in name else 1e-3)


def node_cases() -> Iterator[Case]:
    """The node tests that feed a float weight to one of `WEIGHT_INPUTS`, with that weight made constant."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the suite's own modules divide by zero and cast NaN on purpose
        cases = importlib.import_module("onnx.backend.test.case.node").collect_testcases(None)
    for case in cases:
        inputs, outputs = case.data_sets[0]
        names = [value.name for value in case.model.graph.input]
        frozen = _freeze(
            Case(case.name, case.model, dict(zip(names, inputs, strict=True)), list(outputs), case.rtol, case.atol)
        )
        if len(frozen.inputs) < len(inputs):
            yield frozen


def _freeze(case: Case) -> Case:
    """The case with every fed float tensor that is a weight turned into an initializer."""
    model = onnx.ModelProto.FromString(case.model.SerializeToString())
    inputs = dict(case.inputs)
    for node in model.graph.node:
        for slot in WEIGHT_INPUTS.get(node.op_type, ()):
            name = node.input[slot] if slot < len(node.input) else ""
            array = inputs.get(name)
            if isinstance(array, np.ndarray) and array.dtype in (np.float16, np.float32, np.float64) and array.ndim > 1:
                model.graph.initializer.append(numpy_helper.from_array(array, name))
                del inputs[name]
    kept = [value for value in model.graph.input if value.name in inputs or value.name not in case.inputs]
    del model.graph.input[:]
    model.graph.input.extend(kept)
    model.ir_version = max(model.ir_version, 4)
    return Case(case.name, model, inputs, case.outputs, case.rtol, case.atol)
