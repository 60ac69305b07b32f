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

from onnxdc.torch.operators.registry import Call, Result, operator

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
class _Sequence:
    """The inputs that all three operators have, steps first, and how to go through them."""

    call: Call
    x: Tensor  # [T, N, I]
    lengths: Tensor | None  # [N]

    def run(self, direction: int, w: Tensor, b: Tensor | None, cell: Cell, state: State) -> tuple[Tensor, State]:
        """All steps of one direction: the hidden states ``[T, N, H]``, zero behind a sequence's end, and the last."""
        products = functional.linear(self.x, w, b)
        outputs: list[Tensor] = []
        steps = range(self.x.shape[0])
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

    def initial(self, given: Tensor | None, direction: int, hidden: int) -> Tensor:
        """The state before the first step, zeros unless it is given."""
        if given is None:
            return self.x.new_zeros(self.x.shape[1], hidden)
        return given[:, direction] if self.call.get("layout", 0) else given[direction]

    def activations(self, direction: int, default: tuple[str, ...]) -> list[Callable[[Tensor], Tensor]]:
        """The activations of one direction, those of gates behind the clipping of their arguments."""
        names = self.call.get("activations") or default * 2
        bound = self.call.get("clip")
        chosen = names[direction * len(default) : (direction + 1) * len(default)]
        functions = [_ACTIVATIONS[name.capitalize()] for name in chosen]
        if bound is None:
            return functions
        return [*(_clipped(function, bound) for function in functions[:_ON_GATES]), *functions[_ON_GATES:]]

    def directions(
        self, w: Tensor, b: Tensor | None, layer: Callable[[int, Tensor | None], tuple[Cell, State]]
    ) -> tuple[Tensor, ...]:
        """The outputs of the operator: all steps of each direction.

        ``layer`` makes the cell and the first state of a direction, from its number and the hidden state's bias.
        """
        runs = []
        for direction in range(w.shape[0]):
            input_bias, hidden_bias = _biases(b, direction)
            cell, state = layer(direction, hidden_bias)
            runs.append(self.run(direction, w[direction], input_bias, cell, state))
        return self._joined(runs)

    def _joined(self, runs: list[tuple[Tensor, State]]) -> tuple[Tensor, ...]:
        """The outputs of the operator from those of its directions."""
        y = torch.stack([output for output, _ in runs], dim=1)  # [T, D, N, H]
        states = [torch.stack(each) for each in zip(*(state for _, state in runs), strict=True)]  # [D, N, H]
        if self.call.get("layout", 0):
            return y.permute(2, 0, 1, 3), *(state.transpose(0, 1) for state in states)
        return y, *states


def _sequence(call: Call, x: Tensor, lengths: Tensor | None) -> _Sequence:
    return _Sequence(call, x.transpose(0, 1) if call.get("layout", 0) else x, lengths)


def _clipped(function: Callable[[Tensor], Tensor], bound: float) -> Callable[[Tensor], Tensor]:
    return lambda x: function(torch.clamp(x, -bound, bound))


def _biases(b: Tensor | None, direction: int) -> tuple[Tensor | None, Tensor | None]:
    """The biases of the inputs' products, and of the hidden state's."""
    if b is None:
        return None, None
    half = b.shape[1] // 2
    return b[direction, :half], b[direction, half:]


@operator("LSTM", refuses=_refuses)
def lstm(
    call: Call,
    X: Tensor,
    W: Tensor,
    R: Tensor,
    B: Tensor | None = None,
    lengths: Tensor | None = None,
    h0: Tensor | None = None,
    c0: Tensor | None = None,
    P: Tensor | None = None,
) -> Result:
    """Long short-term memory; gates lie in the order input, output, forget, cell."""
    sequence = _sequence(call, X, lengths)
    hidden = R.shape[-1]

    def layer(direction: int, bias: Tensor | None) -> tuple[Cell, State]:
        peepholes = X.new_zeros(3, hidden) if P is None else P[direction].reshape(3, hidden)
        functions = sequence.activations(direction, ("Sigmoid", "Tanh", "Tanh"))
        state = (sequence.initial(h0, direction, hidden), sequence.initial(c0, direction, hidden))
        return _lstm_cell(R[direction], bias, peepholes, functions), state

    return sequence.directions(W, B, layer)


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
def gru(
    call: Call,
    X: Tensor,
    W: Tensor,
    R: Tensor,
    B: Tensor | None = None,
    lengths: Tensor | None = None,
    h0: Tensor | None = None,
) -> Result:
    """Gated recurrent units; gates lie in the order update, reset, hidden."""
    sequence = _sequence(call, X, lengths)

    def layer(direction: int, bias: Tensor | None) -> tuple[Cell, State]:
        functions = sequence.activations(direction, ("Sigmoid", "Tanh"))
        cell = _gru_cell(R[direction], bias, functions, reset_first=not call.get("linear_before_reset", 0))
        return cell, (sequence.initial(h0, direction, R.shape[-1]),)

    return sequence.directions(W, B, layer)


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
def rnn(
    call: Call,
    X: Tensor,
    W: Tensor,
    R: Tensor,
    B: Tensor | None = None,
    lengths: Tensor | None = None,
    h0: Tensor | None = None,
) -> Result:
    """A recurrent layer of one activation."""
    sequence = _sequence(call, X, lengths)

    def layer(direction: int, bias: Tensor | None) -> tuple[Cell, State]:
        (f,) = sequence.activations(direction, ("Tanh",))
        return _rnn_cell(R[direction], bias, f), (sequence.initial(h0, direction, R.shape[-1]),)

    return sequence.directions(W, B, layer)


def _rnn_cell(r: Tensor, rb: Tensor | None, f: Callable[[Tensor], Tensor]) -> Cell:
    return lambda product, state: (f(product + functional.linear(state[0], r, rb)),)
