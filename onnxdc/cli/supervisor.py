"""Run the command line in a child process, so that it ends when it is told to, in one line, and leaves nothing behind.

Python handles a signal between two of its own instructions only. Shape inference, the parsing of a model and the
creation of a session keep it from that for as long as they take, which for a hostile model is for ever; a handler does
not run then, and neither does another thread. A crash of native code, and a kernel that is out of memory, cannot be
handled in the same process at all. So the command runs in a child, and this process, which does nothing but wait,
passes signals on to it, kills it where it does not end, removes what it was writing, and says in one line what it died
of.

Nothing heavy is imported here: the process must be ready for signals before the rest is loaded.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable

ENDING = (signal.SIGINT, signal.SIGTERM, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else []))  # not on Windows
GRACE = 2.0  # seconds that the command has to end by itself
_PATIENCE = 0.5  # seconds after which a second signal means "now": `timeout` and terminals send one twice
_REPORT = "please report it with the command"
_THREADED = ("numpy", "torch")  # where they are loaded, threads may run, and a child could wait for them for ever
_PARENT_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG of Linux


def supervise(command: Callable[[], None]) -> int:
    """Run a command in a child process and return its exit code: 128 + the signal if one ended it.

    In a process that has loaded libraries already, which only a Python program that calls this has, it runs there; and
    so it does on Windows, which has no fork.

    Args:
        command: What is run; it may raise SystemExit.
    """
    _occupy_streams()
    heeded = {number for number in ENDING if signal.getsignal(number) is not signal.SIG_IGN}  # nohup wants it so
    if not hasattr(os, "fork") or any(name in sys.modules for name in _THREADED):
        return _run(command, heeded, set())
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {*heeded, signal.SIGCHLD, signal.SIGALRM})
    signal.signal(signal.SIGCHLD, lambda *_: None)  # one that is ignored could not be waited for
    parent = os.getpid()
    try:
        child = os.fork()
    except OSError:  # too many processes: then without
        child = 0
    if child:
        return _watch(child, heeded)
    if os.getpid() != parent:
        _die_with(parent)
    return _run(command, heeded, set(before))


def _occupy_streams() -> None:
    """Open what is closed of the standard streams: otherwise a model would get its number, and what is printed."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest number that is free


def _watch(child: int, heeded: set[signal.Signals]) -> int:
    """Wait for the child, pass signals on, and return its exit code."""
    first, since = 0, 0.0
    leftovers: set[str] = set()
    while True:
        number = signal.sigwait({*heeded, signal.SIGCHLD, signal.SIGALRM})
        if number == signal.SIGCHLD:
            ended, status = os.waitpid(child, os.WNOHANG)
            if ended:
                break
        elif not first:
            first, since = number, time.monotonic()
            os.kill(child, number)
            signal.setitimer(signal.ITIMER_REAL, GRACE)
        elif number == signal.SIGALRM or time.monotonic() - since > _PATIENCE:
            leftovers |= _temporary_files(child)
            os.kill(child, signal.SIGKILL)
    for name in leftovers:
        with contextlib.suppress(OSError):
            os.unlink(name)
    return _exit_code(status, first)


def _exit_code(status: int, first: int) -> int:
    """Return the exit code for what became of the child, and say so where it crashed.

    Args:
        status: What ``waitpid`` said.
        first: The first signal that was passed on; 0 for none.
    """
    code = os.waitstatus_to_exitcode(status)
    if code >= 0:
        return code
    if first:
        return 128 + first
    if code == -signal.SIGKILL:
        _say("killed, probably because memory ran out")
    else:
        _say(f"internal error: native code ended with {signal.Signals(-code).name} ({_REPORT})")
    return 1


def _temporary_files(child: int) -> set[str]:
    """Return the temporary files that the child has open, where the system tells (Linux)."""
    names = set()
    with contextlib.suppress(OSError):
        for descriptor in os.listdir(f"/proc/{child}/fd"):
            with contextlib.suppress(OSError):
                names.add(os.readlink(f"/proc/{child}/fd/{descriptor}").removesuffix(" (deleted)"))
    return {name for name in names if os.path.basename(name).startswith(".onnxdc.") and name.endswith(".tmp")}


def _die_with(parent: int) -> None:
    """Let this process be killed when its parent is, which could not pass it on (Linux)."""
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(_PARENT_DEATH_SIGNAL, signal.SIGKILL)
        if os.getppid() != parent:
            os.kill(os.getpid(), signal.SIGKILL)


def _run(command: Callable[[], None], heeded: set[signal.Signals], mask: set[int | signal.Signals]) -> int:
    """Run the command here and return its exit code; a signal ends it by an exception, so that it cleans up."""
    stopped: list[int] = []

    def stop(number: int, _frame: object) -> None:
        _ignore(heeded)  # what cleans up is not to be interrupted
        sys.unraisablehook = lambda _: None  # where the exception hits a destructor, nobody needs to know
        threading.excepthook = lambda _: None
        stopped.append(number)
        raise KeyboardInterrupt if number == signal.SIGINT else SystemExit(128 + number)

    try:
        for number in heeded:
            signal.signal(number, stop)
        if hasattr(os, "fork"):
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        code = _code_of(command, stopped)
        _ignore(heeded)
    except (KeyboardInterrupt, SystemExit):  # between the lines
        code = 0
    if stopped:  # an import, or a library, may have taken the exception for a failure of its own
        code = 128 + stopped[0]
    if not _flushed() or stopped:
        os._exit(code)  # Python would tell, while it ends, what it could not write and what was left half done
    return code


def _flushed() -> bool:
    """Write what was printed, and tell whether that was possible."""
    try:
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                stream.flush()
    except (OSError, ValueError):
        return False
    return True


def _ignore(numbers: set[signal.Signals]) -> None:
    for number in numbers:
        signal.signal(number, signal.SIG_IGN)


def _code_of(command: Callable[[], None], stopped: list[int]) -> int:
    """Run the command and return its exit code. This is the last net: whatever was not foreseen is one line.

    Args:
        command: What is run.
        stopped: The signal that has ended it, which then needs no words.
    """
    try:
        command()
    except SystemExit as ending:
        return ending.code if isinstance(ending.code, int) else int(ending.code is not None)
    except BaseException as error:
        if stopped:
            return 1
        if os.environ.get("ONNXDC_TRACEBACK", "0") not in ("", "0"):
            sys.excepthook(type(error), error, error.__traceback__)
        _say(f"internal error: {type(error).__name__}: {error} ({_REPORT}; ONNXDC_TRACEBACK=1 shows the traceback)")
        return 1
    return 0


def _say(message: str) -> None:
    from onnxdc.shown import MESSAGE_LENGTH, shown

    with contextlib.suppress(OSError, ValueError):
        print(f"onnxdc: error: {shown(message, MESSAGE_LENGTH)}", file=sys.stderr, flush=True)
