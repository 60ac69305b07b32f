"""Check a whole ModelProto before anything uses it, so that a bad one gets an error that names the trouble.

This is the one place that looks at a model with distrust: the graphs, the subgraphs and the bodies of functions are all
checked, without recursion, in time that is bounded by the size of the file. What walks a model later may rely on it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import onnx
import onnx.defs

from onnxdc.domain.operators import DOMAIN
from onnxdc.errors import ModelError
from onnxdc.model_io.check_functions import check_functions
from onnxdc.model_io.check_nodes import check_nodes
from onnxdc.model_io.check_tensors import check_tensors, check_types
from onnxdc.model_io.check_texts import check_texts
from onnxdc.model_io.check_values import check_values
from onnxdc.model_io.scopes import Scope, scopes

_UNRELEASED: Final = "Segment"  # a function that models of development versions before 0.1.0 carry, and no others


@dataclass(frozen=True)
class Checked:
    """What checking a model found.

    Attributes:
        scopes: The graphs, subgraphs and functions, each before those inside it.
        opset: The version of the standard operators.
        is_sorted: Whether nodes come before those that use what they make.
    """

    scopes: list[Scope]
    opset: int
    is_sorted: bool


def check_model(proto: onnx.ModelProto, where: str) -> Checked:
    """Check a parsed model; external data are checked when they are opened, see ``external.py``.

    Raises:
        ModelError: The model is not valid, or has something that is not supported; the error names ``where`` and what.
    """
    check_supported(proto, where)
    opset = default_opset(proto, where)
    found = []
    for scope in scopes(proto):
        check_texts(scope, where)
        _check_initializers(scope, where)
        found.append(scope)
    for scope in found:
        check_tensors(scope, where)
        check_types(scope, where)
        check_nodes(scope, where)
    is_sorted = check_values(found, where)
    check_functions(proto, where)
    return Checked(found, opset, is_sorted)


def check_supported(proto: onnx.ModelProto, where: str) -> None:
    """Refuse what onnx_ir would silently drop, and what is newer than the onnx package that is installed.

    Raises:
        ModelError: The model has such a thing; the error names both.
    """
    if not 1 <= proto.ir_version <= onnx.IR_VERSION:
        raise ModelError(f"{where}: unknown IR version {proto.ir_version}, expected 1 to {onnx.IR_VERSION}")
    if proto.training_info:
        raise ModelError(f"{where}: has training_info, which is not supported")
    if any((function.domain, function.name) == (DOMAIN, _UNRELEASED) for function in proto.functions):
        raise ModelError(f"{where}: made by an unreleased onnxdc: compress the original model again")


def _check_initializers(scope: Scope, where: str) -> None:
    if isinstance(scope.body, onnx.GraphProto) and scope.body.sparse_initializer:
        name = scope.body.sparse_initializer[0].values.name
        raise ModelError(f"{where}: {name} is a sparse_initializer, which is not supported")
    seen: set[str] = set()
    for tensor in scope.initializers:
        if not tensor.name:
            raise ModelError(f"{where}: not valid ONNX: an initializer has no name")
        if tensor.name in seen:
            raise ModelError(f"{where}: not valid ONNX: two initializers have the name {tensor.name}")
        seen.add(tensor.name)


def default_opset(proto: onnx.ModelProto, where: str) -> int:
    """Return the version of the standard operators that a model imports.

    Raises:
        ModelError: It imports none, or one that the installed onnx does not know.
    """
    newest = onnx.defs.onnx_opset_version()
    versions = [opset.version for opset in proto.opset_import if opset.domain in ("", "ai.onnx")]
    if not versions:
        raise ModelError(f"{where}: imports no operator set of the domain ai.onnx, expected version 1 to {newest}")
    if not 1 <= versions[0] <= newest:
        raise ModelError(
            f"{where}: unknown operator set {versions[0]}, expected 1 to {newest} (onnx {onnx.__version__})"
        )
    return int(versions[0])


def root_cause(error: BaseException) -> str:
    """Return the first line of what went wrong first."""
    while error.__cause__ is not None:
        error = error.__cause__
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
