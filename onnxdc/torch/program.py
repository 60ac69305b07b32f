"""A graph as a program of operators of PyTorch, which runs again and again; ``reader.py`` makes it.

Every value of the model has a number, its key; a run keeps the tensors by their keys. Keys are unique over all graphs,
so subgraphs see the values around them, and bodies of model-local functions keep their constants over all calls.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from onnxdc.errors import ModelError
from onnxdc.torch.operators.registry import IMPLEMENTATIONS, Call, Subgraph


@dataclass(frozen=True)
class Step:
    """One node.

    Attributes:
        op_type: The name of its operator, or of the model-local function that it calls.
        where: What messages call the node.
        attributes: The attributes as ``Call`` has them, but subgraphs as programs.
        version: The version of the operator set that the node is written in.
        inputs: The keys of the inputs; None for one that is left out.
        outputs: The keys of the outputs; None for one that is left out.
        frees: The keys of the values that nothing needs after this step.
        body: The body of the function, None for an operator.
    """

    op_type: str
    where: str
    attributes: Mapping[str, Any]
    version: int
    inputs: tuple[int | None, ...]
    outputs: tuple[int | None, ...]
    frees: tuple[int, ...]
    body: Program | None = None


@dataclass(frozen=True)
class Program:
    """A graph that can run.

    Attributes:
        inputs: The keys of its inputs.
        outputs: The keys of its outputs.
        steps: Its nodes in their order.
    """

    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    steps: tuple[Step, ...]


def run(
    program: Program,
    values: dict[int, Tensor | None],
    dropouts: Mapping[int, nn.Module],
    inputs: Sequence[Tensor | None],
    training: bool,
) -> list[Tensor]:
    """Run a program.

    Args:
        program: The program.
        values: The tensors by their keys: the constants before the run, and whatever is still needed after it.
        dropouts: The layers of the Dropout nodes, by the keys of their outputs.
        inputs: The inputs of the program.
        training: Whether the module trains.

    Returns:
        The outputs of the program.

    Raises:
        ModelError: A node cannot run on what it gets.
    """
    values.update(zip(program.inputs, inputs, strict=True))

    def subgraph(inner: Program) -> Subgraph:
        return lambda *given: run(inner, values, dropouts, given, training)

    for step in program.steps:
        given = [None if key is None else values[key] for key in step.inputs]
        if step.body is not None:
            missing = len(step.body.inputs) - len(given)
            results: Sequence[Tensor | None] = run(step.body, values, dropouts, [*given, *[None] * missing], training)
        else:
            attributes = {k: subgraph(v) if isinstance(v, Program) else v for k, v in step.attributes.items()}
            dropout = dropouts.get(step.outputs[0]) if step.outputs[0] is not None else None
            results = _operate(step, Call(attributes, step.version, len(step.outputs), dropout, training), given)
        values.update((key, result) for key, result in zip(step.outputs, results, strict=False) if key is not None)
        for key in step.frees:
            values.pop(key, None)
    return [_present(values[key]) for key in program.outputs]


def _operate(step: Step, call: Call, given: Sequence[Tensor | None]) -> Sequence[Tensor | None]:
    try:
        result = IMPLEMENTATIONS[step.op_type].run(call, *given)
    except (RuntimeError, ValueError, IndexError, TypeError) as error:
        if isinstance(error, torch.OutOfMemoryError):
            raise
        raise ModelError(f"{step.where}: {' '.join(str(error).split())}") from error
    return result if isinstance(result, tuple) else (result,)


def _present(value: Tensor | None) -> Tensor:
    assert value is not None, "an output of a graph is never left out"
    return value
