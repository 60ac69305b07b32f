"""Whether the integers of a quantised model are still the same once it is coded, and whether the same operators run."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import onnx_ir as ir

from onnxdc import model_io
from onnxdc.domain.compressed import is_compressed
from onnxdc.domain.limits import Limit
from onnxdc.errors import ModelError
from onnxdc.evaluate.optimised import optimised_operators
from onnxdc.graph.constants import constant_tensor, read_constant
from onnxdc.graph.slots import INTEGER_TYPES
from onnxdc.graph.weights import NamedConstant, named_constants
from onnxdc.model_io import Source
from onnxdc.model_io.budget import budget_of
from onnxdc.passes.decode import decode, has_integers
from onnxdc.report.integer_check import Differing, IntegerCheck
from onnxdc.runtime import best_decoder


def check_integers(
    a: Source, b: Source, custom_ops: Sequence[str | os.PathLike[str]] = (), limit: Limit | None = None
) -> IntegerCheck | None:
    """Compare the integers that B has coded to those that A has under the same names, and the operators that run.

    Args:
        a: The model to hold against.
        b: The model in question.
        custom_ops: Libraries of somebody's own operators that the models need.
        limit: The bytes that the weights of a model may take.

    Returns:
        What was found; None if B has coded no integers, or none that A has, too.

    Raises:
        ModelError: A model cannot be read, or its weights take more than the limit.
        FormatError: A compressed weight breaks a rule of the format.
    """
    loaded = model_io.load(b, upgrade=False)
    if not has_integers(loaded):
        return None
    dense, coded = _decoded(loaded, limit)
    known = {constant.name: constant for constant in _integers(_decoded(model_io.load(a, upgrade=False), limit)[0])}
    found = [each for each in _integers(dense) if each.value.name in coded and _is_alike(each, known)]
    if not found:
        return None
    compared = [_Pair.of(known[each.name], each) for each in found]
    alike = 1 - sum(pair.differing for pair in compared) / max(1, sum(pair.nonzero for pair in compared))
    differing = tuple(pair.difference for pair in compared if pair.differing)
    check = IntegerCheck(len(compared), alike, differing)
    if not check.is_of_one_model:
        return check
    try:
        counts = [optimised_operators(model, custom_ops, limit) for model in (a, b)]
    except ModelError as error:
        return replace(check, not_counted=str(error))
    return replace(check, a=counts[0], b=counts[1])


@dataclass(frozen=True)
class _Pair:
    """Two constants of one name, type and shape, compared.

    Attributes:
        difference: What is to be told of them.
        nonzero: How many of their elements are not both 0.
    """

    difference: Differing
    nonzero: int

    @property
    def differing(self) -> int:
        """How many of their elements differ."""
        return self.difference.elements

    @staticmethod
    def of(a: NamedConstant, b: NamedConstant) -> _Pair:
        """Compare two constants."""
        first, second = (read_constant(each.value, each.name) for each in (a, b))
        elements = int(np.count_nonzero(first != second))
        nonzero = int(np.count_nonzero((first != 0) | (second != 0)))
        return _Pair(Differing(b.name, str(first.dtype), first.size, elements), nonzero)


def _decoded(model: ir.Model, limit: Limit | None) -> tuple[ir.Model, set[str]]:
    """Return a model with dense weights, which are decoded when they are asked for, and which of them were coded."""
    if not is_compressed(model):
        return model, set()
    changes = decode(model, decoder=best_decoder(), budget=budget_of(model, limit), keep=False).changes
    return model, {change.name for change in changes}


def _integers(model: ir.Model) -> Iterator[NamedConstant]:
    for constant in named_constants(model):
        tensor = constant_tensor(constant.value)
        if tensor is not None and tensor.dtype in INTEGER_TYPES:
            yield constant


def _is_alike(constant: NamedConstant, known: dict[str, NamedConstant]) -> bool:
    """Tell whether a constant of the same name has the same type and shape."""
    other = known.get(constant.name)
    if other is None:
        return False
    tensors = [constant_tensor(each.value) for each in (constant, other)]
    types = [(tensor.dtype, tuple(tensor.shape.numpy())) for tensor in tensors if tensor is not None]
    return types[0] == types[-1]
