"""LSTM, GRU and RNN, one step after the other.

The names are those of the operators' specifications: T steps, N sequences, D directions, H hidden units, I inputs. A
cell takes the products of one step's input with its weights, ``[N, gates * H]``, biases of the inputs included.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import torch
from torch import Tensor
from torch.nn import functional

from onnxdc.torch.operators.registry import Call, Outputs, operator

_ACTIVATIONS: Final[dict[str, Callable[[Tensor], Tensor]]] = {
    "Relu": torch.relu,
    "Sigmoid": torch.sigmoid,
    "Tanh": torch.tanh,
}

_ON_GATES: Final = 2  # the third activation of LSTM takes the memory, which runtimes do not clip

State: TypeAlias = tuple[Tensor, ...]
Cell: TypeAlias = Callable[[Tensor, State], State]


def _refuses(attributes: Mapping[str, Any], outputs: int) -> str | None:
    unknown = [name for name in attributes.get("activations", ()) if name.capitalize() not in _ACTIVATIONS]
    if unknown:
        return f"expected activations of {', '.join(_ACTIVATIONS)}, got {unknown[0]}"
    return "input_forget is not covered" if attributes.get("input_forget", 0) else None


@dataclass(frozen=True)
class _Layer:
    """The inputs that all three operators have, and how to go through them.

    Attributes:
        call: The run of the node.
        x: The inputs of all steps, ``[T, N, I]``.
        w: The weights of the inputs, ``[D, gates * H, I]``.
        r: The weights of the hidden state, ``[D, gates * H, H]``.
        b: The biases of both, ``[D, 2 * gates * H]``, those of the inputs first; None without.
        lengths: The number of steps of each sequence, ``[N]``; None if all have T.
        h0: The hidden states before the first step, as the operator has them; None for zeros.
    """

    call: Call
    x: Tensor
    w: Tensor
    r: Tensor
    b: Tensor | None = None
    lengths: Tensor | None = None
    h0: Tensor | None = None

    def run(self, make_cell: Callable[[int, Tensor | None], Cell], *more: Tensor | None) -> Outputs:
        """Run all steps of each direction, and return the outputs of the operator.

        Args:
            make_cell: What makes the cell of a direction, from its number and the hidden state's bias.
            more: The other states before the first step, like ``h0``.
        """
        runs = []
        for direction in range(self.w.shape[0]):
            input_bias, hidden_bias = _biases(self.b, direction)
            products = functional.linear(self._steps, self.w[direction], input_bias)
            state = tuple(self._initial(given, direction) for given in (self.h0, *more))
            runs.append(self._run(products, direction, make_cell(direction, hidden_bias), state))
        y = torch.stack([output for output, _ in runs], dim=1)  # [T, D, N, H]
        states = [torch.stack(last) for last in zip(*(state for _, state in runs), strict=True)]  # [D, N, H]
        if self.call.get("layout", 0):
            return y.permute(2, 0, 1, 3), *(state.transpose(0, 1) for state in states)
        return y, *states

    def activations(self, direction: int, default: tuple[str, ...]) -> list[Callable[[Tensor], Tensor]]:
        """Return the activations of one direction; those of gates clip their arguments first."""
        names = self.call.get("activations") or default * 2
        bound = self.call.get("clip")
        chosen = names[direction * len(default) : (direction + 1) * len(default)]
        functions = [_ACTIVATIONS[name.capitalize()] for name in chosen]
        if bound is None:
            return functions
        return [*(_clipped(function, bound) for function in functions[:_ON_GATES]), *functions[_ON_GATES:]]

    @property
    def _steps(self) -> Tensor:
        """The inputs with the steps first."""
        return self.x.transpose(0, 1) if self.call.get("layout", 0) else self.x

    def _initial(self, given: Tensor | None, direction: int) -> Tensor:
        """Return a state before the first step, zeros unless it is given."""
        if given is None:
            return self.x.new_zeros(self._steps.shape[1], self.r.shape[-1])
        return given[:, direction] if self.call.get("layout", 0) else given[direction]

    def _run(self, products: Tensor, direction: int, cell: Cell, state: State) -> tuple[Tensor, State]:
        """Run all steps of one direction.

        Returns:
            The hidden states ``[T, N, H]``, zero after a sequence's end, and the last state.
        """
        outputs: list[Tensor] = []
        steps = range(products.shape[0])
        backward = direction == 1 or self.call.get("direction", "forward") == "reverse"
        for t in reversed(steps) if backward else steps:
            new = cell(products[t], state)
            if self.lengths is not None:
                inside = (t < self.lengths).unsqueeze(-1)
                outputs.append(torch.where(inside, new[0], torch.zeros_like(new[0])))
                new = tuple(torch.where(inside, after, before) for after, before in zip(new, state, strict=True))
            else:
                outputs.append(new[0])
            state = new
        return torch.stack(outputs[::-1] if backward else outputs), state


def _clipped(function: Callable[[Tensor], Tensor], bound: float) -> Callable[[Tensor], Tensor]:
    return lambda x: function(torch.clamp(x, -bound, bound))


def _biases(b: Tensor | None, direction: int) -> tuple[Tensor | None, Tensor | None]:
    """Return the biases of the inputs' products, and of the hidden state's."""
    if b is None:
        return None, None
    half = b.shape[1] // 2
    return b[direction, :half], b[direction, half:]


@operator("LSTM", refuses=_refuses)
def lstm(call: Call, *inputs: Any) -> Outputs:
    """Run long short-term memory; gates lie in the order input, output, forget, cell."""
    layer = _Layer(call, *inputs[:6])
    c0, p = (*inputs[6:], None, None)[:2]

    def make_cell(direction: int, bias: Tensor | None) -> Cell:
        hidden = layer.r.shape[-1]
        peepholes = layer.x.new_zeros(3, hidden) if p is None else p[direction].reshape(3, hidden)
        return _lstm_cell(
            layer.r[direction], bias, peepholes, layer.activations(direction, ("Sigmoid", "Tanh", "Tanh"))
        )

    return layer.run(make_cell, c0)


def _lstm_cell(r: Tensor, rb: Tensor | None, peepholes: Tensor, functions: list[Callable[[Tensor], Tensor]]) -> Cell:
    f, g, h = functions
    p_input, p_output, p_forget = peepholes

    def cell(product: Tensor, state: State) -> State:
        hidden, memory = state
        i, o, forget, c = (product + functional.linear(hidden, r, rb)).chunk(4, dim=-1)
        after = f(forget + p_forget * memory) * memory + f(i + p_input * memory) * g(c)
        return f(o + p_output * after) * h(after), after

    return cell


@operator("GRU", refuses=_refuses)
def gru(call: Call, *inputs: Any) -> Outputs:
    """Run gated recurrent units; gates lie in the order update, reset, hidden."""
    layer, reset_first = _Layer(call, *inputs), not call.get("linear_before_reset", 0)

    def make_cell(direction: int, bias: Tensor | None) -> Cell:
        functions = layer.activations(direction, ("Sigmoid", "Tanh"))
        return _gru_cell(layer.r[direction], bias, functions, reset_first=reset_first)

    return layer.run(make_cell)


def _gru_cell(r: Tensor, rb: Tensor | None, functions: list[Callable[[Tensor], Tensor]], *, reset_first: bool) -> Cell:
    f, g = functions
    size = r.shape[-1]
    r_gates, r_hidden = r[: 2 * size], r[2 * size :]
    b_gates, b_hidden = (None, None) if rb is None else (rb[: 2 * size], rb[2 * size :])

    def cell(product: Tensor, state: State) -> State:
        (hidden,) = state
        update, reset = f(product[:, : 2 * size] + functional.linear(hidden, r_gates, b_gates)).chunk(2, dim=-1)
        if reset_first:
            recurrent = functional.linear(reset * hidden, r_hidden, b_hidden)
        else:
            recurrent = reset * functional.linear(hidden, r_hidden, b_hidden)
        return ((1 - update) * g(product[:, 2 * size :] + recurrent) + update * hidden,)

    return cell


@operator("RNN", refuses=_refuses)
def rnn(call: Call, *inputs: Any) -> Outputs:
    """Run a recurrent layer of one activation."""
    layer = _Layer(call, *inputs)
    return layer.run(
        lambda direction, bias: _rnn_cell(layer.r[direction], bias, *layer.activations(direction, ("Tanh",)))
    )


def _rnn_cell(r: Tensor, rb: Tensor | None, f: Callable[[Tensor], Tensor]) -> Cell:
    return lambda product, state: (f(product + functional.linear(state[0], r, rb)),)
