"""Take trained values back into the model that they are from."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final, TypeAlias

import numpy as np
import onnx_ir as ir

from onnxdc import model_io
from onnxdc.errors import HookError, OptionError, OptionName, WeightError
from onnxdc.graph.constants import read_constant, replace_constant
from onnxdc.graph.weights import named_constants
from onnxdc.hooks.grid import MOST_VALUES, HookedGrid, hidden_fault, restored_step, step_fault
from onnxdc.hooks.hook import TrainingHook, check_codebook
from onnxdc.hooks.reading import check_model
from onnxdc.hooks.rounding_graph import trained_grid
from onnxdc.hooks.summary import HookSummary, summary
from onnxdc.hooks.tensors import read_tensors
from onnxdc.hooks.training_graph import build_rules, steps_of
from onnxdc.hooks.weight import ConstantStage, HookedWeight
from onnxdc.model_io import Source
from onnxdc.numeric.arrays import FLOAT_TYPES, require_finite
from onnxdc.report.changed_model import ChangedModel
from onnxdc.report.text import first_names

TRAINED_FILE: Final = "trained.safetensors"
VALUES: Final = ".values"
MASK: Final = ".mask"
CODES: Final = ".codes"
CODEBOOK: Final = ".codebook"
STEP: Final = ".step"
LENGTHS: Final = ".lengths"
_PARTS: Final[dict[ConstantStage, tuple[str, ...]]] = {
    "dense": (),
    "pruned": (MASK,),
    "shared": (CODES, CODEBOOK),
    "grid": (CODES, STEP, LENGTHS),
    "statistic": (),
}

Trained: TypeAlias = Mapping[str, np.ndarray] | str | os.PathLike[str]


class Imported(ChangedModel[HookSummary]):
    """A model with trained values; its report says how far each of its weights moved."""


def import_(
    model: Source,
    hook: TrainingHook | str | os.PathLike[str],
    trained: Trained | None = None,
    *,
    project: bool = False,
) -> Imported:
    """Replace the values of a model by trained ones; everything else of it stays.

    Args:
        model: The model that the hook was exported from; it is left as it is.
        hook: The hook, or its folder.
        trained: An array for each weight of the hook, in its shape and in ONNX's layout, or for a shared weight its
            codebook ``[1 + n]`` under ``<name>.codebook``, or for one on a grid its integers and step under
            ``<name>.codes`` and ``<name>.step``; values may be called ``<name>.values``. Or a safetensors file of
            those; or ``training.onnx`` after training. Without it the file ``trained.safetensors`` in the hook's
            folder. Running statistics that are missing stay as they are in the model.
        project: Whether to restore broken rules: zeros where pruned elements are, the mean of each cluster, multiples
            of the hook's step, no variance below 0.

    Raises:
        HookError: The hook is of another model or cannot be read, a weight is missing or unknown, has another shape or
            type, has NaN or infinity, or breaks its rule.
        OptionError: Nothing is given as ``trained``, and the hook has no folder.
        ModelError: The model cannot be read.
    """
    loaded = model_io.load(model, upgrade=False)
    if trained is None:
        trained = _default(hook)
    where = os.fspath(trained) if isinstance(trained, str | os.PathLike) else "trained"
    hook = hook if isinstance(hook, TrainingHook) else TrainingHook.load(hook)
    check_model(hook, loaded, model_io.name_of(model))
    arrays = _arrays(trained, loaded, hook)
    try:
        values = _checked(hook, arrays, project)
    except HookError as error:
        raise HookError(f"{where}: ", *error.args) from error
    put_back(loaded, values)
    return Imported(loaded, summary(hook, values))


def put_back(model: ir.Model, values: Mapping[str, np.ndarray]) -> None:
    """Put trained values into a model, in place; they are not checked against a hook.

    Args:
        model: A model that has constants of these names.
        values: Arrays by the names that a hook has for them, each in the shape and the type of the constant.
    """
    for constant in list(named_constants(model)):
        if constant.name in values:
            replace_constant(constant.value, np.ascontiguousarray(values[constant.name]))


def _default(hook: TrainingHook | str | os.PathLike[str]) -> Path:
    if isinstance(hook, TrainingHook):
        raise OptionError(OptionName("trained"), ": expected arrays or a file, got neither")
    return Path(hook) / TRAINED_FILE


def _arrays(trained: Trained, model: ir.Model, hook: TrainingHook) -> dict[str, np.ndarray]:
    """Read the arrays from any of their forms, by name."""
    if isinstance(trained, Mapping):
        return {name: np.asarray(array) for name, array in trained.items()}
    if Path(trained).suffix.lower() == ".onnx":
        return _of_graph(trained, model, hook)
    return read_tensors(trained)


def _of_graph(path: str | os.PathLike[str], model: ir.Model, hook: TrainingHook) -> dict[str, np.ndarray]:
    """Read what a trained training graph holds; refuse one whose masks or codes are not those of the hook."""
    built = model.clone()
    parameters = build_rules(built, hook)
    constants = {constant.name: constant.value for constant in named_constants(model_io.load(path, upgrade=False))}
    steps = steps_of(built, hook)
    own = {*parameters.values(), *steps.values(), *(constant.name for constant in named_constants(model))}
    for name, value in ((constant.name, constant.value) for constant in named_constants(built)):
        if name in constants and name not in own and not name.endswith(LENGTHS) and not _same(constants[name], value):
            raise HookError(f"{os.fspath(path)}: {name}: expected the values that the hook has, got others")
    arrays: dict[str, np.ndarray] = {}
    for name, parameter in parameters.items():
        weight = hook.weights[name]
        if weight.grid is not None:
            arrays |= _of_rounding(weight, [constants.get(part) for part in (parameter, steps[name])], path)
        elif parameter in constants:
            array = read_constant(constants[parameter], parameter)
            shared = hook.weights[name].codes is not None
            zero = np.zeros(1, array.dtype)
            arrays[name + CODEBOOK if shared else name] = np.concatenate([zero, array.reshape(-1)]) if shared else array
    return arrays


def _of_rounding(
    weight: HookedWeight, parts: list[ir.Value | None], path: str | os.PathLike[str]
) -> dict[str, np.ndarray]:
    """Return the integers and the step of a weight on a grid, by its latent values and the logarithms of its steps."""
    latent, log_step = (None if part is None else read_constant(part) for part in parts)
    if weight.grid is None or latent is None or log_step is None:
        raise HookError(f"{os.fspath(path)}: {weight.name}: expected its latent values and its step, got neither")
    try:
        grid = trained_grid(weight, weight.grid, latent, log_step)
    except HookError as error:
        raise HookError(f"{os.fspath(path)}: ", *error.args) from error
    return {weight.name + CODES: grid.codes, weight.name + STEP: grid.step}


def _same(a: ir.Value, b: ir.Value) -> bool:
    return np.array_equal(read_constant(a), read_constant(b))


def _checked(hook: TrainingHook, arrays: Mapping[str, np.ndarray], project: bool) -> dict[str, np.ndarray]:
    """Return the values of all weights of the hook, each in its type, with its rule kept."""
    # A weight may be called as a part of another.
    parts = {name: array for name, array in arrays.items() if name not in hook.weights}
    values = {
        weight.name: _checked_one(weight, _array(weight, arrays, parts), parts, project)
        for weight in hook.weights.values()
    }
    known = {weight.name + part for weight in hook.weights.values() for part in (VALUES, *_PARTS[weight.stage])}
    unknown = [name for name in parts if name not in known]
    if unknown:
        raise HookError(f"{unknown[0]}: no such weight in the hook, expected {first_names(list(hook.weights))}")
    return values


def _array(weight: HookedWeight, arrays: Mapping[str, np.ndarray], parts: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return the values of a weight, given as such or by a codebook; refuse another mask than the hook's, or codes."""
    if weight.grid is not None and weight.name + CODES in parts:
        if weight.name in arrays or weight.name + VALUES in parts:
            raise HookError(f"{weight.name}: expected its values, or its codes and its step, got both")
        return _of_codes(weight, weight.grid, parts)
    part, rule = (MASK, weight.mask) if weight.codes is None else (CODES, weight.codes)
    if not np.array_equal(parts.get(weight.name + part, rule), rule):
        raise HookError(f"{weight.name}{part}: expected the values that the hook has, got others")
    array = arrays.get(weight.name)
    if weight.name + VALUES in parts:
        if array is not None:
            raise HookError(f"{weight.name}: expected its values once, got them under {weight.name}{VALUES}, too")
        array = parts[weight.name + VALUES]
    codebook = parts.get(weight.name + CODEBOOK) if weight.codes is not None else None
    if codebook is not None:
        if codebook.dtype not in FLOAT_TYPES:
            raise HookError(f"{weight.name}{CODEBOOK}: expected {weight.dtype}, got {codebook.dtype}")
        check_codebook(weight, codebook)
        expanded = weight.expand(codebook)
        if array is not None and not np.array_equal(array, expanded, equal_nan=True):
            raise HookError(f"{weight.name}: expected its values or its codebook, got both, and they differ")
        return expanded
    if array is None and weight.stage == "statistic":
        return weight.values
    if array is None:
        raise HookError(f"{weight.name}: missing, got {first_names(list(arrays)) or 'nothing'}")
    return array


def _of_codes(weight: HookedWeight, grid: HookedGrid, parts: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return the values that integers and a step stand for."""
    if weight.name + STEP not in parts:
        raise HookError(f"{weight.name}{STEP}: missing, got {weight.name}{CODES} alone")
    codes, step = parts[weight.name + CODES], parts[weight.name + STEP]
    if codes.dtype.kind not in "iu" or codes.shape != weight.shape:
        got = f"{codes.dtype}{list(codes.shape)}"
        raise HookError(f"{weight.name}{CODES}: expected integers {list(weight.shape)}, got {got}")
    fault = step_fault(step, weight.shape)
    if fault is not None:
        raise HookError(f"{weight.name}{STEP}: {fault}")
    different = np.unique(codes[codes != 0]).size
    if different > MOST_VALUES:
        raise HookError(f"{weight.name}{CODES}: expected at most {MOST_VALUES} integers besides zero, got {different}")
    return grid.values(weight.dtype, codes, restored_step(step, weight.dtype))


def _checked_one(weight: HookedWeight, array: np.ndarray, parts: Mapping[str, np.ndarray], project: bool) -> np.ndarray:
    """Return the values of a weight in its type, with its rule kept, or restored if ``project`` says so."""
    if array.shape != weight.shape:
        raise HookError(f"{weight.name}: expected shape {list(weight.shape)}, got {list(array.shape)}")
    if array.dtype not in FLOAT_TYPES:
        raise HookError(f"{weight.name}: expected {weight.dtype}, got {array.dtype}")
    with np.errstate(over="ignore"):  # an infinity that comes of it is told below
        array = np.ascontiguousarray(array.astype(weight.dtype, copy=False))
    try:
        require_finite(array)
    except WeightError as error:
        raise HookError(f"{weight.name}: {error}") from error
    if project:
        return weight.project(array)
    violation = weight.violation(array)
    if violation is not None and weight.grid is not None and weight.name + CODES in parts:
        hidden = hidden_fault(parts[weight.name + CODES], parts[weight.name + STEP], weight.dtype)
        if hidden is not None:
            raise HookError(f"{weight.name}: {hidden}")
    if violation is not None:
        raise HookError(
            f"{weight.name}: {violation}; projecting the weights (", OptionName("project"), ") restores the rule"
        )
    return array
