"""All that is needed to go on with a training exactly, in a file that is replaced after each epoch."""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Final

import torch

from onnxdc.errors import TrainingError
from onnxdc.model_io.atomic import check_replaceable, replacing
from onnxdc.model_io.regular import open_regular
from onnxdc.shown import shown

CHECKPOINT_VERSION: Final = 1
_MOST_PICKLE: Final = 2**26  # bytes of what is no tensor: a network of thousands of tensors takes a thirtieth

# What may differ between the run that wrote a checkpoint and the one that goes on with it.
_FREE: Final = frozenset({"lr", "threads"})


def save_checkpoint(path: Path, run: dict[str, Any], state: dict[str, Any]) -> None:
    """Write a checkpoint, all of it or nothing.

    Args:
        path: The file.
        run: What the training is: its options, and digests of the model and the data.
        state: What the training has come to: tensors, numbers, texts, and lists and dictionaries of them.

    Raises:
        TrainingError: The file cannot be written; one that is there already stays.
    """
    # In memory first: torch, writing to a file itself, hides a full disk or an interrupt in errors of its own.
    content = io.BytesIO()
    torch.save({"version": CHECKPOINT_VERSION, "run": run, "state": state}, content)
    try:
        with replacing(path) as file, content.getbuffer() as view:
            file.write(view)
    except OSError as error:
        raise TrainingError(f"{path}: cannot write the checkpoint: {error.strerror or error}") from error


def load_checkpoint(path: Path, run: dict[str, Any]) -> dict[str, Any]:
    """Read the state of a checkpoint of the same run. The file is data only: nothing in it is executed.

    Args:
        path: The file.
        run: What the training is, as for ``save_checkpoint``; learning rate and number of threads may have changed.

    Raises:
        TrainingError: There is no such file, it is no checkpoint, or one of another run; the error says what differs.
    """
    try:
        check_replaceable(path)  # a FIFO would be waited for
        descriptor = open_regular(path)
        with open(descriptor, "rb") as file:
            _check_archive(file)
            file.seek(0)
            content = torch.load(file, weights_only=True, map_location="cpu")
    except OSError as error:
        raise TrainingError(f"{path}: nothing to resume: {error.strerror or error}") from error
    except Exception as error:  # torch raises many types for what it cannot read, which share no base
        raise TrainingError(f"{path}: not a checkpoint of a training") from error
    if not isinstance(content, dict) or not _same(content.get("version"), CHECKPOINT_VERSION):
        raise TrainingError(f"{path}: not a checkpoint of a training, version {CHECKPOINT_VERSION}")
    saved_run, state = content.get("run"), content.get("state")
    if not isinstance(saved_run, dict) or not isinstance(state, dict):
        raise TrainingError(f"{path}: not a checkpoint of a training")
    for name, value in run.items():
        saved = saved_run.get(name)
        if name not in _FREE and not _same(saved, value):
            what = f"{name} {shown(saved)} there, {value} here" if name not in ("model", "data") else f"another {name}"
            raise TrainingError(f"{path}: cannot resume, it is of another training: {what}")
    return state


def _check_archive(file: IO[bytes]) -> None:
    """Refuse an archive that is damaged, or that unpacks to more than its size: torch writes nothing compressed.

    Raises:
        zipfile.BadZipFile: It is so.
    """
    size = os.fstat(file.fileno()).st_size
    with zipfile.ZipFile(file) as archive:
        members = archive.infolist()
        if sum(member.file_size for member in members) > size:
            raise zipfile.BadZipFile
        if any(member.compress_type != zipfile.ZIP_STORED for member in members):
            raise zipfile.BadZipFile
        if any(member.filename.endswith("data.pkl") and member.file_size > _MOST_PICKLE for member in members):
            raise zipfile.BadZipFile
        if archive.testzip() is not None:  # torch does not look at the checksums
            raise zipfile.BadZipFile


def _same(a: object, b: object) -> bool:
    """Tell whether two values are equal; a tensor, which a damaged file may have anywhere, equals nothing."""
    try:
        return bool(a == b)
    except (RuntimeError, TypeError, ValueError, RecursionError):
        return False


@contextmanager
def restoring(path: Path) -> Iterator[None]:
    """Say in one line that the state of a checkpoint does not fit the training that it is of by its words.

    Raises:
        TrainingError: Taking the state over failed.
    """
    try:
        yield
    except (AttributeError, IndexError, KeyError, RuntimeError, TypeError, ValueError) as error:  # of torch, too
        raise TrainingError(f"{path}: damaged: its state does not fit: {shown(error)}") from error


def check_fresh(path: Path) -> None:
    """Refuse to begin anew where a checkpoint would be lost.

    Raises:
        TrainingError: There is one.
    """
    if os.path.lexists(path):
        raise TrainingError(f"{path}: there is a checkpoint of an earlier training: resume it, or remove the file")
