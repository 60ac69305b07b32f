"""The environment of a training: how torch computes, which is left as it was, and what a lack of memory is called."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from onnxdc.errors import ModelError, OptionError, OptionName, TrainingError
from onnxdc.shown import shown
from onnxdc.training.options import TrainingOptions


@contextmanager
def deterministic_torch(options: TrainingOptions) -> Iterator[None]:
    """Let torch compute with the seed and the threads of the options until the end of the block, on the CPU the same.

    Raises:
        OptionError: PyTorch has no such device.
    """
    device = device_of(options)
    threads, deterministic = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    memory: Any = torch.utils.deterministic  # whether to fill new memory, which only costs time: nothing reads it
    filled = memory.fill_uninitialized_memory
    try:
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            torch.manual_seed(options.seed)
            torch.use_deterministic_algorithms(device.type == "cpu")  # a GPU has none for some operators
            memory.fill_uninitialized_memory = False
            torch.set_num_threads(options.threads or threads)
            yield
    finally:
        torch.set_num_threads(threads)
        torch.use_deterministic_algorithms(deterministic)
        memory.fill_uninitialized_memory = filled


def device_of(options: TrainingOptions) -> torch.device:
    """Return the device that PyTorch computes on.

    Raises:
        OptionError: PyTorch has no such device.
    """
    try:
        device = torch.device(options.device)
        torch.zeros(1, device=device).sum().item()
    except (RuntimeError, AssertionError, NotImplementedError) as error:  # a build without a device asserts it
        raise OptionError(
            OptionName("device"), f": expected cpu or a device that PyTorch finds, got {shown(options.device)}"
        ) from error
    return device


@contextmanager
def memory_errors_told(options: TrainingOptions) -> Iterator[None]:
    """Turn the ways in which memory can run out into one error.

    Raises:
        TrainingError: There is too little memory.
    """
    try:
        yield
    except MemoryError as error:
        raise _too_little(options) from error
    except (RuntimeError, ModelError) as error:
        if not is_out_of_memory(error):
            raise
        raise _too_little(options) from error


def is_out_of_memory(error: BaseException | None) -> bool:
    """Tell whether torch says so, in an error or what caused it; its CPU allocator has no exception of its own."""
    if error is None:
        return False
    if isinstance(error, torch.OutOfMemoryError) or "DefaultCPUAllocator" in str(error):
        return True
    return is_out_of_memory(error.__cause__)


def _too_little(options: TrainingOptions) -> TrainingError:
    return TrainingError(f"out of memory with batches of {options.batch} items: try a smaller ", OptionName("batch"))
