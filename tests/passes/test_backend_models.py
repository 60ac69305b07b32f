"""The `onnx` package's backend test models, encoded, give the outputs that are stored with them, native and portable.

A tensor with more than 256 distinct values is shared first; such a model is held against its shared dense twin.
"""

from __future__ import annotations

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime
import pytest

from onnxdc import model_io, native
from onnxdc.domain.operators import DOMAIN
from onnxdc.graph.weights import find_weights
from onnxdc.recipe import Recipe
from tests.helpers import backend_cases
from tests.helpers.passes import encode, share

RECIPES = {
    "auto": Recipe(min_elements=0),
    "sparse": Recipe(min_elements=0).with_options(execution="sparse"),
}
STORED = [(kind, name) for kind in backend_cases.STORED_KINDS for name in backend_cases.stored_names(kind)]
EXECUTIONS = ["auto", pytest.param("sparse", marks=pytest.mark.slow)]
SMALL = ("light_squeezenet",)
NODES = {case.name: case for case in backend_cases.node_cases()}


def run(model: onnx.ModelProto, case: backend_cases.Case, *, with_library: bool = False) -> list[object]:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    if with_library:
        options.register_custom_ops_library(native.library_path())
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, ["CPUExecutionProvider"])
    return session.run(None, case.inputs)


def assert_same(outputs: list[object], expected: list[object], rtol: float, atol: float) -> None:
    assert len(outputs) == len(expected)
    for output, wanted in zip(outputs, expected, strict=True):
        if isinstance(wanted, np.ndarray) and wanted.dtype.kind == "f":
            np.testing.assert_allclose(output, wanted, rtol=rtol, atol=atol)
        else:
            np.testing.assert_equal(np.asarray(output, dtype=object), np.asarray(wanted, dtype=object))


def original(case: backend_cases.Case) -> ir.Model:
    """The model as onnxdc reads it, once onnxruntime has shown that it computes the stored outputs itself."""
    model = model_io.load(case.model)
    try:
        outputs = run(ir.to_proto(model), case)
    except Exception as error:  # onnxruntime raises many types, which share no base
        with pytest.raises(type(error)):  # it was not reading that broke it
            run(case.model, case)
        pytest.skip(f"onnxruntime cannot run the original: {str(error).splitlines()[0][:160]}")
    assert_same(outputs, case.outputs, case.rtol, case.atol)
    return model


def check(case: backend_cases.Case, recipe: Recipe, *, portable: bool = True) -> None:
    model = original(case)
    before = ir.to_proto(model)
    weights, _ = find_weights(model, min_elements=0)
    shared = share(model, recipe).changes
    twin = ir.to_proto(model)
    encoded = encode(model, recipe, force=True)
    after = ir.to_proto(model)
    if not weights:
        assert after == before
        return
    assert encoded.changes, encoded.skips
    assert any(node.domain == DOMAIN for node in after.graph.node)
    onnx.checker.check_model(after)
    rtol = max(case.rtol, 1e-4)
    expected = run(twin, case) if shared else case.outputs
    if portable:
        assert_same(run(after, case), expected, rtol, case.atol)
    assert_same(run(after, case, with_library=True), expected, rtol, 1e-5 if shared else max(case.atol, 1e-6))


@pytest.mark.parametrize("execution", EXECUTIONS)
@pytest.mark.parametrize(("kind", "name"), STORED)
def test_stored_model(kind: str, name: str, execution: str) -> None:
    check(backend_cases.stored_case(kind, name), RECIPES[execution])


@pytest.mark.parametrize("execution", EXECUTIONS)
@pytest.mark.parametrize("name", NODES)
def test_node_with_constant_weight(name: str, execution: str) -> None:
    check(NODES[name], RECIPES[execution])


@pytest.mark.xdist_group("large")  # one at a time: the largest takes 14 GB
@pytest.mark.parametrize(
    "name",
    [name if name in SMALL else pytest.param(name, marks=pytest.mark.slow) for name in backend_cases.light_names()],
)
def test_light_model(name: str) -> None:
    # The portable bodies of the three with more than 60 million weights take 10 GB and more: they run natively alone.
    portable = not any(network in name for network in ("alexnet", "vgg19", "zfnet512"))
    check(backend_cases.light_case(name), RECIPES["auto"], portable=portable)
