"""How the command ends when it is told to, at any time: one line at most, the old file or the new one, nothing else."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import onnx
import pytest

from onnxdc.cli import supervisor
from tests.helpers.small_models import dense, saved

pytestmark = pytest.mark.slow

COMMAND = [sys.executable, "-m", "onnxdc"]
SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]
# A command of this process's own, as the supervisor runs one.
SUPERVISED = "import sys, time\nfrom onnxdc.cli.supervisor import supervise\n{body}\nsys.exit(supervise(command))"
# A loop in C, which keeps Python from handling a signal as shape inference does.
STUCK = "def command():\n    print('ready', flush=True)\n    sum(range(10**12))"
WRITING = """
def command():
    from onnxdc.model_io.atomic import replacing
    from pathlib import Path
    with replacing(Path('out')) as file:
        file.write(b'half')
        print('ready', flush=True)
        {wait}
"""


def heed_signals() -> None:
    """Undo what a caller may have said: nohup and a shell's & let their children ignore some of them."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_DFL)


def start(command: Sequence[object], folder: Path, **options: object) -> subprocess.Popen[str]:
    options = {"preexec_fn": heed_signals, **options}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    return subprocess.Popen(list(map(str, command)), cwd=folder, env=environment, text=True, **pipes, **options)


def supervised(body: str, folder: Path, **options: object) -> subprocess.Popen[str]:
    return start([sys.executable, "-c", SUPERVISED.format(body=body)], folder, **options)


def wait_for(what: Callable[[], object]) -> None:
    end = time.monotonic() + 30
    while not what() and time.monotonic() < end:
        time.sleep(0.001)


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize("wait", ["time.sleep(60)", "sum(range(10**12))"], ids=["waiting", "stuck"])
def test_a_signal_leaves_nothing_of_a_file_that_is_written(tmp_path, number, wait):
    process = supervised(WRITING.format(wait=wait), tmp_path)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    assert [name.suffix for name in tmp_path.iterdir()] == [".tmp"]
    process.send_signal(number)
    _, err = process.communicate(timeout=30)
    assert (process.returncode, err, os.listdir(tmp_path)) == (128 + number, "", [])


def test_a_second_interrupt_does_not_wait(tmp_path):
    process = supervised(STUCK, tmp_path)
    assert process.stdout is not None
    process.stdout.readline()
    begin = time.monotonic()
    process.send_signal(signal.SIGINT)
    time.sleep(0.7)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    assert process.returncode == 130
    assert time.monotonic() - begin < supervisor.GRACE


def test_a_kill_of_the_waiting_process_ends_the_other_one(tmp_path):
    body = "import os\ndef command():\n    print(os.getpid(), flush=True)\n    time.sleep(60)"
    process = supervised(body, tmp_path)
    assert process.stdout is not None
    child = int(process.stdout.readline())
    assert child != process.pid
    process.kill()
    process.communicate(timeout=30)  # until nobody holds the pipes any more
    wait_for(lambda: not Path(f"/proc/{child}").exists())
    assert not Path(f"/proc/{child}").exists()


def test_what_nohup_ignores_stays_ignored(tmp_path):
    process = supervised(
        "def command():\n    print('ready', flush=True)\n    time.sleep(1)",
        tmp_path,
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN),
    )
    assert process.stdout is not None
    process.stdout.readline()
    process.send_signal(signal.SIGHUP)
    process.communicate(timeout=30)
    assert process.returncode == 0


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (
            "def command(): raise ValueError('a\\nb\\x1b')",
            r"internal error: ValueError: a\nb\x1b (please report it with",
        ),
        ("def command(): return command()", "internal error: RecursionError: maximum recursion depth"),
        ("import os\ndef command(): os.kill(os.getpid(), 11)", "internal error: native code ended with SIGSEGV"),
        ("import os\ndef command(): os.kill(os.getpid(), 9)", "killed, probably because memory ran out"),
    ],
)
def test_what_nobody_foresaw_is_one_line(tmp_path, body, expected):
    process = supervised(body, tmp_path)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 1
    assert err.startswith(f"onnxdc: error: {expected}")
    assert err.count("\n") == 1


def test_the_traceback_is_there_on_request(tmp_path, monkeypatch):
    monkeypatch.setenv("ONNXDC_TRACEBACK", "1")
    _, err = supervised("def command(): raise ValueError('odd')", tmp_path).communicate(timeout=30)
    assert "Traceback (most recent call last):" in err
    assert err.splitlines()[-1].startswith("onnxdc: error: internal error: ValueError: odd")


@pytest.mark.parametrize("code", [0, 1, 2])
def test_the_exit_code_is_that_of_the_command(tmp_path, code):
    process = supervised(f"def command(): sys.exit({code})", tmp_path)
    process.communicate(timeout=30)
    assert process.returncode == code


def test_a_process_with_threads_runs_the_command_itself(tmp_path):
    body = "import os, numpy\nmain = os.getpid()\ndef command(): sys.exit(os.getpid() != main)"
    process = supervised(body, tmp_path)
    process.communicate(timeout=30)
    assert process.returncode == 0


@pytest.mark.parametrize(
    ("part", "number"), [(part, signal.SIGINT) for part in (0.15, 0.4, 0.7, 0.9)] + [(0.8, signal.SIGTERM)]
)
def test_a_command_can_be_ended_at_any_time(tmp_path, whole_run, part, number):
    path = saved(dense(), tmp_path / "model.onnx")
    (tmp_path / "out.onnx").write_bytes(b"old")
    process = start([*COMMAND, "prune", path, "-o", "out.onnx", "--density", "0.9", "-q"], tmp_path)
    time.sleep(part * whole_run[0])
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert process.returncode in (0, 128 + number)
    assert (out, err) == ("", "")
    assert sorted(os.listdir(tmp_path)) == ["model.onnx", "out.onnx"]
    assert (tmp_path / "out.onnx").read_bytes() in (b"old", whole_run[1])


@pytest.fixture(scope="module")
def whole_run(tmp_path_factory) -> tuple[float, bytes]:
    """The seconds that a command takes, and what it writes."""
    folder = tmp_path_factory.mktemp("whole")
    path = saved(dense(), folder / "model.onnx")
    begin = time.monotonic()
    command = [*COMMAND, "prune", path, "-o", folder / "out.onnx", "--density", "0.9", "-q"]
    subprocess.run(command, check=True)
    return time.monotonic() - begin, (folder / "out.onnx").read_bytes()


def test_a_disk_that_is_full_is_one_line(tmp_path):
    path = saved(dense(), tmp_path / "model.onnx")
    with open("/dev/full", "w") as full:
        done = subprocess.run([*COMMAND, "inspect", path], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == "onnxdc: error: [Errno 28] No space left on device\n"


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_a_terminal_that_lacks_a_character_gets_its_number(tmp_path, encoding):
    path = saved(dense(), tmp_path / "重み.onnx")
    environment = {**os.environ, "PYTHONIOENCODING": encoding}
    for command in (["inspect", path], ["compress", path, "-o", tmp_path / "ö.onnx"], ["inspect", tmp_path / "重"]):
        done = subprocess.run([*COMMAND, *command], capture_output=True, check=False, env=environment)
        assert b"Traceback" not in done.stderr
        assert done.stderr.count(b"error") == (command[-1] == tmp_path / "重")


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_stream_may_be_closed(tmp_path, closed):
    path, out = saved(dense(), tmp_path / "model.onnx"), tmp_path / "out.onnx"
    for command in (f"inspect {path}", f"prune {path} -o {out} --density 0.3"):
        line = f"{sys.executable} -m onnxdc {command} {closed}"
        done = subprocess.run(["sh", "-c", line], capture_output=True, text=True, check=False)
        assert done.returncode == 0
        assert "error" not in done.stderr
    assert onnx.load(out).graph.initializer


def test_a_reader_that_has_gone_is_no_news(tmp_path):
    path = saved(dense(), tmp_path / "model.onnx")
    line = f"{sys.executable} -m onnxdc inspect {path} | true"
    assert subprocess.run(["sh", "-c", line], capture_output=True, check=False).stderr == b""
