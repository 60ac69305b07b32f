"""The environment of a training: how torch computes, which is left as it was, and what a lack of memory is called."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from onnxdc.errors import ModelError, OptionName, TrainingError
from onnxdc.training.options import TrainingOptions


@contextmanager
def deterministic_torch(options: TrainingOptions) -> Iterator[None]:
    """Let torch compute deterministically, with the seed and the threads of the options, until the end of the block."""
    threads, deterministic = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    memory: Any = torch.utils.deterministic  # whether to fill new memory, which only costs time: nothing reads it
    filled = memory.fill_uninitialized_memory
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(options.seed)
            torch.use_deterministic_algorithms(True)
            memory.fill_uninitialized_memory = False
            torch.set_num_threads(options.threads or threads)
            yield
    finally:
        torch.set_num_threads(threads)
        torch.use_deterministic_algorithms(deterministic)
        memory.fill_uninitialized_memory = filled


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
