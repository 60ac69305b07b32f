"""A hook as files: ``hook.json`` says what there is, ``hook.safetensors`` holds the arrays (docs/hook.md)."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, get_args

import numpy as np
import safetensors
import safetensors.numpy

from onnxdc.errors import HookError
from onnxdc.graph.slots import Statistic
from onnxdc.hooks.weight import RULES, HookedWeight
from onnxdc.model_io.atomic import check_replaceable, replacing

HOOK_FORMAT: Final = "onnxdc.hook"
HOOK_VERSION: Final = 1
MANIFEST_FILE: Final = "hook.json"
TENSORS_FILE: Final = "hook.safetensors"


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
    manifest = _read_manifest(path)
    tensors = read_tensors(Path(folder) / TENSORS_FILE)
    try:
        weights: dict[str, HookedWeight] = {}
        for weight in (_weight(entry, tensors, path) for entry in manifest["weights"]):
            if weights.setdefault(weight.name, weight) is not weight:
                raise HookError(f"{path}: {weight.name}: expected one entry, got several")
        return weights, str(manifest["model"]["sha256"])
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise HookError(f"{path}: damaged: {type(error).__name__} {error}") from error


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
    try:
        with open(path, "rb"):  # its errors say what is wrong, those of safetensors only that something is
            return dict(safetensors.numpy.load_file(path))
    except OSError as error:
        raise HookError(f"{os.fspath(path)}: cannot read: {error.strerror or error}") from error
    except (KeyError, AttributeError) as error:  # safetensors looks types up in numpy
        raise HookError(f"{os.fspath(path)}: has a tensor of a type that numpy has not: {error}") from error
    except (safetensors.SafetensorError, ValueError) as error:
        raise HookError(f"{os.fspath(path)}: not a safetensors file: {error}") from error


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


def _weight(entry: Mapping[str, Any], tensors: Mapping[str, np.ndarray], path: Path) -> HookedWeight:
    """Read the weight of an entry; KeyError or ValueError where it does not fit its tensors."""
    named, name, stage = entry["tensors"], str(entry["name"]), entry["stage"]
    if stage not in RULES:
        raise HookError(f"{path}: {name}: expected a stage of {', '.join(RULES)}, got {stage!r}")
    statistic = entry.get("statistic")
    kinds = get_args(Statistic) if stage == "statistic" else (None,)
    if statistic not in kinds:
        raise HookError(f"{path}: {name}: expected {' or '.join(map(str, kinds))} as statistic, got {statistic!r}")
    values = tensors[named["values"]]
    codes = tensors[named["codes"]] if stage == "shared" else None
    codebook = tensors[named["codebook"]] if stage == "shared" else None
    if list(values.shape) != entry["shape"] or str(values.dtype) != entry["dtype"]:
        expected, got = f"{entry['dtype']}{entry['shape']}", f"{values.dtype}{list(values.shape)}"
        raise HookError(f"{path}: {name}: expected {expected}, got {got} in {TENSORS_FILE}")
    if codes is not None and codebook is not None and not _fits(values, codes, codebook):
        raise HookError(f"{path}: {name}: its codes and its codebook do not give its values")
    if stage == "pruned" and not np.array_equal(tensors[named["mask"]], values != 0):
        raise HookError(f"{path}: {name}: its mask does not fit its values")
    layout = {framework: tuple(axes) for framework, axes in entry["layout"].items()}
    return HookedWeight(name, values, stage, codes, codebook, str(entry["operator"]), layout, statistic)


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


def _read_manifest(path: Path) -> Any:
    try:
        manifest = json.loads(path.read_bytes())
    except OSError as error:
        raise HookError(f"{path}: cannot read: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise HookError(f"{path}: not JSON: {error}") from error
    if not isinstance(manifest, dict) or manifest.get("format") != HOOK_FORMAT:
        raise HookError(f"{path}: not a training hook: expected format {HOOK_FORMAT!r}")
    if manifest.get("version") != HOOK_VERSION:
        raise HookError(f"{path}: expected version {HOOK_VERSION}, got {manifest.get('version')!r}")
    return manifest
