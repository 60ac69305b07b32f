"""The entries of the manifest of a hook, one for each weight, and the tensors that they name."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, cast, get_args

import numpy as np

from onnxdc.errors import HookError
from onnxdc.graph.slots import Statistic
from onnxdc.hooks.grid import HookedGrid, step_fault
from onnxdc.hooks.tensors import TENSORS_FILE
from onnxdc.hooks.weight import RULES, ConstantStage, HookedWeight
from onnxdc.recipe.checks import told
from onnxdc.shown import shown

_RESERVED: Final = "__metadata__"  # in a safetensors file, which has texts under it


def entries_of(weights: Mapping[str, HookedWeight]) -> tuple[list[dict[str, Any]], dict[str, np.ndarray]]:
    """Return the entries of the manifest, and the tensors by the names that the entries have for them."""
    names = _TensorNames(weights)
    tensors: dict[str, np.ndarray] = {}
    entries = []
    for weight in weights.values():
        arrays = _arrays(weight)
        named = {part: names.take(weight.name, part) for part in arrays}
        tensors |= {named[part]: array for part, array in arrays.items()}
        entries.append(_entry(weight, named))
    return entries, tensors


def read_entry(entry: Any, tensors: Mapping[str, np.ndarray], path: Path, number: int) -> HookedWeight:
    """Read the weight of an entry of the manifest.

    Raises:
        HookError: A field of the entry is not what ``entries_of`` writes, or does not fit its tensors.
    """
    where = f"{path}: weight {number}"
    if not isinstance(entry, dict):
        raise HookError(f"{where}: expected an object, got {told(entry)}")
    name, stage = text_field(entry, "name", where), text_field(entry, "stage", where)
    where = f"{path}: {shown(name)}"
    if stage not in get_args(ConstantStage):
        raise HookError(f"{where}: expected a stage of {', '.join(RULES)}, got {told(stage)}")
    statistic = entry.get("statistic")
    kinds = get_args(Statistic) if stage == "statistic" else (None,)
    if statistic not in kinds:
        raise HookError(f"{where}: expected {' or '.join(map(str, kinds))} as statistic, got {told(statistic)}")
    values = _tensor(entry, "values", tensors, where)
    codes = _tensor(entry, "codes", tensors, where) if stage == "shared" else None
    codebook = _tensor(entry, "codebook", tensors, where) if stage == "shared" else None
    if list(values.shape) != entry.get("shape") or str(values.dtype) != entry.get("dtype"):
        expected, got = f"{entry.get('dtype')}{told(entry.get('shape'))}", f"{values.dtype}{list(values.shape)}"
        raise HookError(f"{where}: expected {shown(expected)}, got {got} in {TENSORS_FILE}")
    if codes is not None and codebook is not None and not _fits(values, codes, codebook):
        raise HookError(f"{where}: its codes and its codebook do not give its values")
    if stage == "pruned" and not np.array_equal(_tensor(entry, "mask", tensors, where), values != 0):
        raise HookError(f"{where}: its mask does not fit its values")
    grid = _grid(entry, tensors, values, where) if stage == "grid" else None
    operator, layout = text_field(entry, "operator", where), _layout(entry.get("layout"), values.ndim, where)
    return HookedWeight(name, values, cast(ConstantStage, stage), codes, codebook, operator, layout, statistic, grid)


def text_field(entry: Mapping[str, Any], key: str, where: str) -> str:
    """Return a field that holds a text."""
    text = entry.get(key)
    if not isinstance(text, str):
        raise HookError(f"{where}: {key}: expected a text, got {told(text)}")
    return text


class _TensorNames:
    """Names of tensors in the file; a weight may itself be called ``fc.weight.mask``."""

    def __init__(self, weights: Mapping[str, HookedWeight]) -> None:
        self._taken = set(weights)

    def take(self, name: str, part: str) -> str:
        """Return a free name for a part of a weight; the values have the weight's own, if a tensor can have it."""
        if part == "values" and name != _RESERVED:
            return name
        candidate = f"{name}.{part}"
        while candidate in self._taken:
            candidate += "_"
        self._taken.add(candidate)
        return candidate


def _arrays(weight: HookedWeight) -> dict[str, np.ndarray]:
    """Return what is stored of a weight, by the names that the manifest has for it."""
    arrays = {"values": weight.values}
    if weight.stage == "pruned":
        arrays["mask"] = weight.mask
    if weight.codes is not None and weight.codebook is not None:
        arrays |= {"codes": weight.codes, "codebook": weight.codebook}
    if weight.grid is not None:
        arrays |= {"codes": weight.grid.codes, "step": weight.grid.step, "lengths": weight.grid.lengths()}
    return arrays


def _entry(weight: HookedWeight, named: Mapping[str, str]) -> dict[str, Any]:
    """Return the entry of a weight in the manifest."""
    return {
        "name": weight.name,
        "shape": list(weight.shape),
        "dtype": str(weight.dtype),
        "operator": weight.op_type,
        "stage": weight.stage,
        "statistic": weight.statistic,
        "rule": RULES[weight.stage],
        "tensors": dict(named),
        "layout": {framework: list(axes) for framework, axes in weight.layout.items()},
    }


def _tensor(entry: Mapping[str, Any], part: str, tensors: Mapping[str, np.ndarray], where: str) -> np.ndarray:
    """Return the tensor that is a part of a weight."""
    named = entry.get("tensors")
    if not isinstance(named, dict):
        raise HookError(f"{where}: tensors: expected an object, got {told(named)}")
    name = text_field(named, part, f"{where}: tensors")
    if name not in tensors:
        raise HookError(f"{where}: {part}: expected a tensor {shown(name)} in {TENSORS_FILE}, got none")
    return tensors[name]


def _layout(layout: Any, rank: int, where: str) -> dict[str, tuple[int, ...]]:
    """Return the permutations of axes that a layout holds, by framework."""
    if not isinstance(layout, dict) or not all(isinstance(axes, list) for axes in layout.values()):
        raise HookError(f"{where}: layout: expected an object of lists, got {told(layout)}")
    for framework, axes in layout.items():
        if not all(type(axis) is int for axis in axes) or sorted(axes) != list(range(rank)):
            got = f"{told(axes)} for {shown(framework)}"
            raise HookError(f"{where}: layout: expected each axis of {rank} once, got {got}")
    return {framework: tuple(axes) for framework, axes in layout.items()}


def _grid(entry: Mapping[str, Any], tensors: Mapping[str, np.ndarray], values: np.ndarray, where: str) -> HookedGrid:
    """Return the grid of a weight."""
    codes, step = (_tensor(entry, part, tensors, where) for part in ("codes", "step"))
    if codes.dtype != np.int16 or codes.shape != values.shape:
        expected, got = f"int16{list(values.shape)}", f"{codes.dtype}{list(codes.shape)}"
        raise HookError(f"{where}: codes: expected {expected}, got {got}")
    wrong = step_fault(step, values.shape)
    if wrong is not None:
        raise HookError(f"{where}: step: {wrong}")
    return HookedGrid(codes, step)


def _fits(values: np.ndarray, codes: np.ndarray, codebook: np.ndarray) -> bool:
    """Tell whether a shared weight has the values that its codes and its codebook give."""
    return (
        codes.dtype.kind in "ui"
        and codes.shape == values.shape
        and codebook.ndim == 1
        and codebook.size > 0
        and 0 <= int(codes.min(initial=0)) <= int(codes.max(initial=0)) < codebook.size
        and codebook[0] == 0
        and np.array_equal(codebook[codes], values)
    )
