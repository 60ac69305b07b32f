"""Read the hook of a model from its own tensors: what can be trained, and what each weight has been through."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import get_args

import numpy as np
import onnx_ir as ir

from onnxdc.domain.compressed import is_compressed
from onnxdc.errors import HookError, ModelError, OptionError, OptionName, WeightError
from onnxdc.graph.constants import constant_tensor, read_constant
from onnxdc.graph.slots import WEIGHT_TYPES, Statistic, is_affine_slot, statistic_kind
from onnxdc.graph.walk import graphs
from onnxdc.graph.weights import NamedConstant, Weight, find_weights, named_constants
from onnxdc.hooks.grid import HookedGrid
from onnxdc.hooks.hook import TrainingHook
from onnxdc.hooks.layout import framework_layouts
from onnxdc.hooks.weight import LEAST_PRUNED, ConstantStage, HookedWeight, WeightStage
from onnxdc.numeric.arrays import require_finite
from onnxdc.numeric.clusters import find_clusters
from onnxdc.recipe.keys import MIN_ELEMENTS


@dataclass(frozen=True)
class Trainable:
    """A constant that training may change.

    Attributes:
        constant: The constant, with its name.
        weight: What passes know of it as a weight; None for biases, scales, shifts and running statistics.
    """

    constant: NamedConstant
    weight: Weight | None


def trainable_constants(model: ir.Model) -> list[Trainable]:
    """List the constants that training may change, in the order of the model.

    They are weights of any size, biases, scales, shifts, and the running statistics of BatchNormalization.

    Raises:
        ModelError: The model is compressed.
    """
    weights = {weight.value: weight for weight in find_weights(model, min_elements=1)[0]}
    return [
        Trainable(constant, weights.get(constant.value))
        for constant in named_constants(model)
        if constant.value in weights or _is_affine(constant.value) or _is_statistic(constant.value)
    ]


def read_hook(model: ir.Model, stage: WeightStage | None = None) -> TrainingHook:
    """Read the hook of a model.

    Args:
        model: The model; it is not changed.
        stage: The stage of all weights; read from the values of each without one, which is never ``"grid"``. Small
            weights, which encoding leaves as they are, are dense then. A weight is shared if its nonzeros
            have few values, with several elements for each value; pruned if one in a hundred is zero; else dense.

    Raises:
        OptionError: ``stage`` is no stage of a weight.
        HookError: ``stage`` is ``"shared"`` and a weight is not, or nothing can be trained.
        ModelError: The model is compressed, the data of a weight cannot be read, or a value is NaN or infinite.
    """
    if stage is not None and stage not in get_args(WeightStage):
        raise OptionError(OptionName("stage"), f": expected one of {', '.join(get_args(WeightStage))}, got {stage!r}")
    if is_compressed(model):
        raise ModelError("the model is compressed: decode it first")
    hooked = [_hooked(trainable, stage) for trainable in trainable_constants(model)]
    if all(weight.stage == "statistic" for weight in hooked):
        raise HookError("nothing to train: the model has no weight and no bias")
    return TrainingHook({weight.name: weight for weight in hooked}, model_digest(model))


def model_digest(model: ir.Model) -> str:
    """Return SHA-256 over the nodes and constants of a model, in hexadecimal; texts and file layout do not count."""
    hasher = hashlib.sha256()
    for _, graph in graphs(model):
        for node in graph:
            names = [value.name if value is not None else None for value in (*node.inputs, *node.outputs)]
            hasher.update(repr((node.domain, node.op_type, names, _attributes(node))).encode())
    for constant in named_constants(model):
        tensor = constant_tensor(constant.value)
        if tensor is not None:
            hasher.update(repr((constant.name, tensor.dtype.name, tuple(tensor.shape))).encode())
            if tensor.dtype is not ir.DataType.STRING:
                hasher.update(read_constant(constant.value, constant.name).tobytes())
    return hasher.hexdigest()


def check_model(hook: TrainingHook, model: ir.Model, where: str) -> None:
    """Refuse a hook of another model.

    Args:
        hook: The hook.
        model: The model.
        where: What messages call the model.

    Raises:
        HookError: The hook has another digest, or a weight that is no constant of the model.
    """
    own = model_digest(model)
    if hook.digest != own:
        raise HookError(f"{where}: the hook is of another model: expected digest {hook.digest[:12]}, got {own[:12]}")
    tensors = {constant.name: constant_tensor(constant.value) for constant in named_constants(model)}
    for name, weight in hook.weights.items():
        tensor = tensors.get(name)
        if tensor is None:
            raise HookError(f"{where}: expected a constant {name} as the hook has it, got none of this name")
        shape, dtype = tuple(tensor.shape.numpy()), tensor.dtype.numpy()
        if (shape, dtype) != (weight.shape, weight.dtype):
            expected = f"{weight.dtype}{list(weight.shape)}"
            raise HookError(f"{where}: {name}: expected {expected} as in the hook, got {dtype}{list(shape)}")


def _attributes(node: ir.Node) -> list[tuple[str, object]]:
    """Return the attributes of a node, by name; graphs and constants count on their own."""
    kind, values = ir.AttributeType, list[tuple[str, object]]()
    for name, attribute in sorted(node.attributes.items()) if node.op_type != "Constant" else ():
        if attribute.is_ref():
            values.append((name, attribute.ref_attr_name))
        elif attribute.type is kind.TENSOR:
            values.append((name, attribute.as_tensor().numpy().tolist()))
        elif attribute.type in (kind.FLOAT, kind.FLOATS):
            values.append((name, np.asarray(attribute.value, np.float32).tolist()))  # as a file holds them
        elif attribute.type in (kind.INT, kind.INTS, kind.STRING, kind.STRINGS):
            values.append((name, attribute.value))
    return values


def _is_affine(value: ir.Value) -> bool:
    """Tell whether the constant is a bias, or a scale or shift of channels, wherever it is used."""
    return _is_used_as(
        value,
        lambda node, index, tensor: (
            is_affine_slot(node, index) and (node.op_type not in ("Add", "Mul") or _is_of_channels(node, index, tensor))
        ),
    )


def _is_statistic(value: ir.Value) -> bool:
    """Tell whether the constant is a running statistic, wherever it is used."""
    return _is_used_as(value, lambda node, index, _: statistic_kind(node, index) is not None)


def _is_used_as(value: ir.Value, fits: Callable[[ir.Node, int, ir.TensorProtocol], bool]) -> bool:
    """Tell whether the value is a floating-point constant, and every use (node, input, the constant) fits."""
    tensor = constant_tensor(value)
    if tensor is None or tensor.dtype not in WEIGHT_TYPES or not value.uses() or value.is_graph_output():
        return False
    return all(fits(node, index, tensor) for node, index in value.uses())


def _is_of_channels(node: ir.Node, index: int, tensor: ir.TensorProtocol) -> bool:
    """Tell whether an addend or factor is a vector, and not one that prepares the model's own input."""
    other = node.inputs[1 - index]
    long = [size for size in tensor.shape.numpy() if size > 1]
    return len(long) == 1 and other is not None and not other.is_graph_input()


def _hooked(trainable: Trainable, stage: WeightStage | None) -> HookedWeight:
    """Return what a hook has of a constant; ``stage`` is that of all weights, None where their values say it."""
    name, weight = trainable.constant.name, trainable.weight
    values = np.ascontiguousarray(read_constant(trainable.constant.value, name))
    try:
        require_finite(values)
    except WeightError as error:
        raise ModelError(f"{name}: {error}") from error
    if weight is None:
        return _hooked_vector(name, values, trainable.constant.value)
    values = np.where(values == 0, np.zeros((), values.dtype), values)  # -0.0 is a zero like any other
    layout = framework_layouts(weight.uses[0], values.ndim)
    if stage == "grid":
        is_coded = values.ndim > 1 and values.size >= MIN_ELEMENTS.default
        kind: ConstantStage = "grid" if is_coded else "dense"
        grid = HookedGrid.of(values) if is_coded else None
        return HookedWeight(name, values, kind, op_type=weight.op_type, layout=layout, grid=grid)
    clusters = find_clusters(values, weight.channel_axis or 0) if stage in (None, "shared") else None
    if stage == "shared" and clusters is None:
        raise HookError(f"{name}: expected a shared weight, got too many distinct values: share it first")
    codes, codebook = clusters or (None, None)
    by_values: ConstantStage = "shared" if clusters else "pruned" if _is_pruned(values) else "dense"
    return HookedWeight(name, values, stage or by_values, codes, codebook, weight.op_type, layout)


def _is_pruned(values: np.ndarray) -> bool:
    zeros = values.size - np.count_nonzero(values)
    return bool(zeros and zeros >= LEAST_PRUNED * values.size)


def _hooked_vector(name: str, values: np.ndarray, value: ir.Value) -> HookedWeight:
    """Return a bias, scale or shift; or a running statistic: one that is used as mean and variance is a variance."""
    op_type = next(node.op_type for node, _ in value.uses())
    if not _is_statistic(value):
        return HookedWeight(name, values, "dense", op_type=op_type)
    kinds = {statistic_kind(node, index) for node, index in value.uses()}
    kind: Statistic = "variance" if "variance" in kinds else "mean"
    return HookedWeight(name, values, "statistic", op_type=op_type, statistic=kind)
