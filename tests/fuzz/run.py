"""Fuzz the Python side: ``python -m tests.fuzz.run --seconds 60 --out build/fuzz/python``.

Damaged models go to a child process with limits; what it must not do is a finding: an exception that is no
``OnnxdcError``, a message with control characters, no answer in time, a crash, or memory out of proportion. Each is
kept once, reduced, with what was done to the model. Exit code 1 if there is any.
"""

from __future__ import annotations

import argparse
import collections
import json
import random
import select
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import onnx
from google.protobuf.descriptor import FieldDescriptor

from tests.fuzz.child import VERBS
from tests.fuzz.models import compressed_models, dense_models
from tests.fuzz.mutator import messages, mutate

Answer = dict[str, Any]

TIMEOUT = 30.0  # seconds for one verb on one file; a loaded machine takes one or two
FIRST_TIMEOUT = 120.0  # the child imports everything first
MEMORY = 1500  # MB above what a child takes without damage; files here are below a megabyte
TASKS_OF_CHILD = 400  # a new child then, so that its peak memory means something
REDUCE_SECONDS = 20.0
FINE = ("ok", "refused")


class Child:
    """A process that runs verbs; it is started when it is needed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process: subprocess.Popen[str] | None = None
        self._tasks = 0
        self._base = 0

    def run(self, verb: str, path: Path) -> Answer:
        """Run a verb on a file."""
        if self._process is None:
            self._start()
        answer = self._ask(verb, path, TIMEOUT)
        self._tasks += 1
        if answer["kind"] in FINE and answer["peak"] > self._base + MEMORY:
            answer |= {"kind": "memory", "key": verb, "detail": f"{answer['peak'] - self._base} MB"}
        if answer["kind"] in ("hang", "crash", "memory") or self._tasks >= TASKS_OF_CHILD:
            self.stop()
        return answer

    def stop(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
        self._process = None

    def _start(self) -> None:
        command = [sys.executable, "-m", "tests.fuzz.child"]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
        self._process = subprocess.Popen(command, text=True, **pipes)
        self._tasks = 0
        path = self._folder / "first.onnx"
        path.write_bytes(next(dense_models()).SerializeToString())
        self._base = self._ask("compress", path, FIRST_TIMEOUT).get("peak", 0)

    def _ask(self, verb: str, path: Path, timeout: float) -> Answer:
        assert self._process is not None
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            task = {"verb": verb, "path": str(path), "folder": str(self._folder)}
            print(json.dumps(task), file=self._process.stdin, flush=True)
            ready, _, _ = select.select([self._process.stdout], [], [], timeout)
            if not ready:
                return {"kind": "hang", "key": verb, "detail": f"no answer in {timeout} s"}
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            return {"kind": "crash", "key": f"{verb}, exit code {self._process.wait()}", "detail": ""}
        return dict(json.loads(line))


def reduce(model: onnx.ModelProto, verb: str, answer: Answer, child: Child, path: Path) -> onnx.ModelProto:
    """Take out what the finding does not need: elements of lists, then fields, the largest messages first."""
    end = time.monotonic() + REDUCE_SECONDS

    def still(candidate: onnx.ModelProto) -> bool:
        path.write_bytes(candidate.SerializeToString())
        found = child.run(verb, path)
        return (found["kind"], found.get("key")) == (answer["kind"], answer["key"])

    position = 0
    while time.monotonic() < end:
        parts = [(m, field, i) for m, field, count in _fields(model) for i in reversed(range(count))]
        if position >= len(parts):
            break
        candidate = onnx.ModelProto()
        candidate.CopyFrom(model)
        _, field, index = parts[position]
        owner = list(messages(candidate))[parts[position][0]]
        if field.is_repeated:
            del getattr(owner, field.name)[index]
        else:
            owner.ClearField(field.name)
        if still(candidate):
            model = candidate
        else:
            position += 1
    return model


def _fields(model: onnx.ModelProto) -> list[tuple[int, FieldDescriptor, int]]:
    """The fields that are set: the number of their message, the field, and how many elements it has."""
    return [
        (number, field, len(value) if field.is_repeated else 1)
        for number, message in enumerate(messages(model))
        for field, value in message.ListFields()
    ]


def fuzz(seconds: float, seed: int, out: Path) -> int:
    """Fuzz for some time; print a line for each finding, and counts at the end. Return how many findings there are."""
    out.mkdir(parents=True, exist_ok=True)
    rng = random.Random(seed)
    dense, compressed = list(dense_models()), list(compressed_models())
    child, counts, found = Child(out), collections.Counter[str](), set[tuple[str, str]]()
    path, end = out / "now.onnx", time.monotonic() + seconds
    while time.monotonic() < end:
        of = compressed if rng.random() < 0.4 else dense
        model = onnx.ModelProto()
        model.CopyFrom(rng.choice(of))
        done = mutate(model, dense + compressed, rng)
        try:
            path.write_bytes(model.SerializeToString())
        except ValueError:  # a text that is no UTF-8, or more than protobuf writes
            continue
        verb = rng.choice(("inspect", "decode", "inspect", "compress") if of is compressed else tuple(VERBS))
        answer = child.run(verb, path)
        counts[answer["kind"]] += 1
        key = (answer["kind"], answer.get("key", ""))
        if answer["kind"] in FINE or key in found:
            continue
        found.add(key)
        name = f"{len(found):03}-{answer['kind']}"
        if answer["kind"] != "hang":
            model = reduce(model, verb, answer, child, path)
        (out / f"{name}.onnx").write_bytes(model.SerializeToString())
        (out / f"{name}.json").write_text(json.dumps({**answer, "verb": verb, "done": done}, indent=1))
        print(f"{name}: {verb}: {answer['key']}: {answer['detail']!r:.200}", flush=True)
    child.stop()
    print(f"{sum(counts.values())} models, seed {seed}: {dict(counts)}; {len(found)} different findings", flush=True)
    return len(found)


def main() -> None:
    """Parse the options."""
    parser = argparse.ArgumentParser(description="Fuzz the Python side with damaged models.")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--out", type=Path, default=Path("build/fuzz/python"))
    options = parser.parse_args()
    sys.exit(fuzz(options.seconds, options.seed, options.out) > 0)


if __name__ == "__main__":
    main()
