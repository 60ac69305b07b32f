"""A hook as files: ``hook.json`` says what there is, ``hook.safetensors`` holds the arrays (docs/hook.md)."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, cast, get_args

import numpy as np
import safetensors
import safetensors.numpy

from onnxdc.errors import HookError
from onnxdc.graph.slots import Statistic
from onnxdc.hooks.weight import RULES, ConstantStage, HookedWeight
from onnxdc.model_io.atomic import check_replaceable, replacing
from onnxdc.model_io.external import open_regular, read_at
from onnxdc.recipe.checks import told
from onnxdc.shown import shown

HOOK_FORMAT: Final = "onnxdc.hook"
HOOK_VERSION: Final = 1
MANIFEST_FILE: Final = "hook.json"
TENSORS_FILE: Final = "hook.safetensors"
MOST_JSON_BYTES: Final = 2**24  # of a manifest, and of a header of safetensors: ten thousand weights take a third
_LENGTH_BYTES: Final = 8  # that say how long the header of a safetensors file is


def save_hook(folder: str | os.PathLike[str], weights: Mapping[str, HookedWeight], digest: str) -> None:
    """Write both files, the manifest last: without it there is no hook.

    Raises:
        HookError: The folder cannot be made or written to.
    """
    with writing(folder) as path:
        names = _TensorNames(weights)
        tensors: dict[str, np.ndarray] = {}
        entries = []
        for weight in weights.values():
            arrays = _arrays(weight)
            named = {part: names.take(weight.name, part) for part in arrays}
            tensors |= {named[part]: array for part, array in arrays.items()}
            entries.append(_entry(weight, named))
        manifest = {"format": HOOK_FORMAT, "version": HOOK_VERSION, "model": {"sha256": digest}, "weights": entries}
        write_tensors(path / TENSORS_FILE, tensors)
        with replacing(path / MANIFEST_FILE) as file:
            file.write(json.dumps(manifest, indent=2).encode())


def load_hook(folder: str | os.PathLike[str]) -> tuple[dict[str, HookedWeight], str]:
    """Read the weights, and the digest of their model.

    Raises:
        HookError: A file is missing or damaged, or of a later version.
    """
    path = Path(folder) / MANIFEST_FILE
    entries, digest = _read_manifest(path)
    tensors = read_tensors(Path(folder) / TENSORS_FILE)
    weights: dict[str, HookedWeight] = {}
    for number, entry in enumerate(entries):
        weight = _weight(entry, tensors, path, number)
        if weights.setdefault(weight.name, weight) is not weight:
            raise HookError(f"{path}: {shown(weight.name)}: expected one entry, got several")
    return weights, digest


@contextlib.contextmanager
def writing(folder: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield the folder, made if need be, with its old manifest gone.

    Raises:
        HookError: The folder, or something in it, cannot be written.
    """
    path = Path(folder)
    try:
        path.mkdir(exist_ok=True)
        for name in (MANIFEST_FILE, TENSORS_FILE):
            check_replaceable(path / name)
        Path(os.path.realpath(path / MANIFEST_FILE)).unlink(missing_ok=True)
        yield path
    except (OSError, safetensors.SafetensorError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise HookError(f"{folder}: cannot write: {reason}") from error


def write_tensors(path: Path, tensors: Mapping[str, np.ndarray]) -> None:
    """Write a safetensors file, all of it or nothing."""
    with replacing(path) as file:
        mode = os.fstat(file.fileno()).st_mode
        safetensors.numpy.save_file(dict(tensors), file.name)
        os.chmod(file.name, mode)  # it puts a file of its own there, for its owner alone


def read_tensors(path: str | os.PathLike[str]) -> dict[str, np.ndarray]:
    """Read the arrays of a safetensors file.

    Raises:
        HookError: There is no such file, it is damaged, or numpy does not have the type of a tensor.
    """
    where = os.fspath(path)
    try:
        _check_header(where)
        return dict(safetensors.numpy.load_file(where))
    except OSError as error:
        raise HookError(f"{where}: cannot read: {error.strerror or error}") from error
    except (KeyError, AttributeError) as error:  # safetensors looks types up in numpy
        raise HookError(f"{where}: has a tensor of a type that numpy has not: {shown(error)}") from error
    except (safetensors.SafetensorError, ValueError) as error:
        raise HookError(f"{where}: not a safetensors file: {shown(error)}") from error


def _check_header(path: str) -> None:
    """Check the length of the header of a safetensors file; the package checks each tensor against the file's size.

    Raises:
        OSError: The file cannot be read, or is no regular one.
        ValueError: The header is longer than the file, or than any that names tensors.
    """
    descriptor = open_regular(path)
    try:
        size = os.fstat(descriptor).st_size
        if size < _LENGTH_BYTES:
            raise ValueError(f"expected {_LENGTH_BYTES} bytes or more, got {size}")
        length = int.from_bytes(read_at(descriptor, 0, _LENGTH_BYTES), "little")
    finally:
        os.close(descriptor)
    most = min(size - _LENGTH_BYTES, MOST_JSON_BYTES)
    if length > most:
        raise ValueError(f"expected a header of at most {most} bytes, got {length}")


class _TensorNames:
    """Names of tensors in the file; a weight may itself be called ``fc.weight.mask``."""

    def __init__(self, weights: Mapping[str, HookedWeight]) -> None:
        self._taken = set(weights)

    def take(self, name: str, part: str) -> str:
        """Return a free name for a part of a weight; the values have the weight's own."""
        if part == "values":
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


def _weight(entry: Any, tensors: Mapping[str, np.ndarray], path: Path, number: int) -> HookedWeight:
    """Read the weight of an entry of the manifest.

    Raises:
        HookError: A field of the entry is not what ``_entry`` writes, or does not fit its tensors.
    """
    where = f"{path}: weight {number}"
    if not isinstance(entry, dict):
        raise HookError(f"{where}: expected an object, got {told(entry)}")
    name, stage = _text(entry, "name", where), _text(entry, "stage", where)
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
    operator, layout = _text(entry, "operator", where), _layout(entry.get("layout"), values.ndim, where)
    return HookedWeight(name, values, cast(ConstantStage, stage), codes, codebook, operator, layout, statistic)


def _text(entry: Mapping[str, Any], key: str, where: str) -> str:
    """Return a field that holds a text."""
    text = entry.get(key)
    if not isinstance(text, str):
        raise HookError(f"{where}: {key}: expected a text, got {told(text)}")
    return text


def _tensor(entry: Mapping[str, Any], part: str, tensors: Mapping[str, np.ndarray], where: str) -> np.ndarray:
    """Return the tensor that is a part of a weight."""
    named = entry.get("tensors")
    if not isinstance(named, dict):
        raise HookError(f"{where}: tensors: expected an object, got {told(named)}")
    name = _text(named, part, f"{where}: tensors")
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


def _read_manifest(path: Path) -> tuple[list[Any], str]:
    """Read the entries of the weights, and the digest of their model."""
    manifest = _read_json(path)
    if not isinstance(manifest, dict) or manifest.get("format") != HOOK_FORMAT:
        raise HookError(f"{path}: not a training hook: expected format {HOOK_FORMAT!r}")
    if manifest.get("version") != HOOK_VERSION:
        raise HookError(f"{path}: expected version {HOOK_VERSION}, got {told(manifest.get('version'))}")
    model, entries = manifest.get("model"), manifest.get("weights")
    if not isinstance(model, dict):
        raise HookError(f"{path}: model: expected an object, got {told(model)}")
    if not isinstance(entries, list):
        raise HookError(f"{path}: weights: expected a list, got {told(entries)}")
    return entries, _text(model, "sha256", f"{path}: model")


def _read_json(path: Path) -> Any:
    try:
        descriptor = open_regular(path)
        try:
            size = os.fstat(descriptor).st_size
            if size > MOST_JSON_BYTES:
                raise HookError(f"{path}: expected at most {MOST_JSON_BYTES} bytes, got {size}")
            return json.loads(bytes(read_at(descriptor, 0, size)))
        finally:
            os.close(descriptor)
    except OSError as error:
        raise HookError(f"{path}: cannot read: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise HookError(f"{path}: not JSON: {shown(error)}") from error
