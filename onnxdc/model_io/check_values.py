"""Check the values of each scope: every name is made once, every use has a maker, and no node waits for itself."""

from __future__ import annotations

from collections.abc import Iterable

import onnx

from onnxdc.errors import ModelError
from onnxdc.model_io.scopes import Scope, label, subgraphs


def check_values(scopes: Iterable[Scope], where: str) -> bool:
    """Refuse names that are made twice or by nothing, subgraphs that hand out what is not theirs, and cycles.

    Args:
        scopes: The scopes of a model, each before those inside it.
        where: What to call the model.

    Returns:
        Whether the nodes of every scope come before those that use what they make.

    Raises:
        ModelError: The model is not so; the error names the value or the node.
    """
    where = f"{where}: not valid ONNX"
    made: dict[int, set[str]] = {}
    free: dict[int, set[str]] = {}  # what a graph takes from the scopes around it
    ordered = list(scopes)
    for scope in ordered:
        made[id(scope.body)] = _made(scope, where)
    is_sorted = True
    for scope in reversed(ordered):  # those inside a scope come first
        own = made[id(scope.body)]
        uses = [_uses(node, free) for node in scope.body.node]
        free[id(scope.body)] = {name for names in (*uses, scope.outputs) for name in names} - own
        lent = [name for name in scope.outputs if name not in own]
        if scope.outer is not None and lent:
            raise ModelError(f"{where}: the output {lent[0]!r} of a subgraph is made by nothing in it")
        if scope.outer is None and free[id(scope.body)]:
            raise ModelError(f"{where}: {_user(scope, uses, free[id(scope.body)])}")
        is_sorted &= _check_order(scope, uses, where)
    return is_sorted


def _made(scope: Scope, where: str) -> set[str]:
    """Return the names that a scope defines."""
    names: set[str] = set()
    initializers = {tensor.name for tensor in scope.initializers}
    for name in scope.inputs:
        if name in names:
            raise ModelError(f"{where}: two inputs have the name {name!r}")
        names.add(name)
    names |= initializers  # an initializer may be an input, too
    for node in scope.body.node:
        for name in node.output:
            if name and name in names:
                raise ModelError(f"{where}: {label(node)} makes {name!r}, which is made already")
            names.add(name)
    names.discard("")
    return names


def _uses(node: onnx.NodeProto, free: dict[int, set[str]]) -> set[str]:
    """Return the names that a node takes, those that its subgraphs take from outside included."""
    names = {name for name in node.input if name}
    return names.union(*(free[id(graph)] for graph in subgraphs(node)))


def _user(scope: Scope, uses: list[set[str]], unknown: set[str]) -> str:
    """Who takes a value that nothing makes."""
    for node, names in zip(scope.body.node, uses, strict=True):
        for name in sorted(names & unknown):
            return f"{label(node)} takes {name!r}, which nothing makes"
    return f"the output {min(unknown)!r} is made by nothing"


def _check_order(scope: Scope, uses: list[set[str]], where: str) -> bool:
    """Whether each node comes after those whose outputs it takes; ModelError for a cycle."""
    nodes = scope.body.node
    maker = {name: index for index, node in enumerate(nodes) for name in node.output if name}
    needs = [{maker[name] for name in names if name in maker} for names in uses]
    if all(max(need, default=-1) < index for index, need in enumerate(needs)):
        return True
    users: dict[int, list[int]] = {}
    for index, need in enumerate(needs):
        for other in need:
            users.setdefault(other, []).append(index)
    waiting = [len(need) for need in needs]
    ready = [index for index, count in enumerate(waiting) if not count]
    done = 0
    while ready:
        current = ready.pop()
        done += 1
        for user in users.get(current, ()):
            waiting[user] -= 1
            if not waiting[user]:
                ready.append(user)
    if done < len(nodes):
        stuck = next(node for node, count in zip(nodes, waiting, strict=True) if count)
        raise ModelError(f"{where}: {label(stuck)} waits for its own output")
    return False
