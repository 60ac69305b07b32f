"""A hook as files: ``hook.json`` says what there is, ``hook.safetensors`` holds the arrays (docs/hook.md)."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import safetensors

from onnxdc.errors import HookError
from onnxdc.hooks.entries import entries_of, read_entry, text_field
from onnxdc.hooks.tensors import MOST_JSON_BYTES, TENSORS_FILE, read_tensors, write_tensors
from onnxdc.hooks.weight import HookedWeight
from onnxdc.model_io.atomic import check_replaceable, replacing
from onnxdc.model_io.regular import open_regular, read_at
from onnxdc.recipe.checks import told
from onnxdc.shown import shown

HOOK_FORMAT: Final = "onnxdc.hook"
HOOK_VERSION: Final = 1
MANIFEST_FILE: Final = "hook.json"


def save_hook(folder: str | os.PathLike[str], weights: Mapping[str, HookedWeight], digest: str) -> None:
    """Write both files, the manifest last: without it there is no hook.

    Raises:
        HookError: The folder cannot be made or written to.
    """
    with writing(folder) as path:
        entries, tensors = entries_of(weights)
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
        weight = read_entry(entry, tensors, path, number)
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
    return entries, text_field(model, "sha256", f"{path}: model")


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
