"""The command line: it parses, calls the library and prints.

What is imported here is imported before the process is ready for signals, and so is nothing but the supervisor.
"""

import io
import os
import sys
from typing import TYPE_CHECKING, Any

from onnxdc.cli.supervisor import supervise

if TYPE_CHECKING:
    from onnxdc.cli.commands import cli as cli

__all__ = ["cli", "main"]


def main() -> None:
    """Run the command line: the entry point of ``onnxdc`` and of ``python -m onnxdc``."""
    sys.exit(supervise(_print_version if sys.argv[1:] == ["--version"] else _command_line))


def _print_version() -> None:
    """Print what ``--version`` prints, without the second that everything else takes to load."""
    import onnxdc

    print(f"onnxdc {onnxdc.__version__}")


def _command_line() -> None:
    from onnxdc.errors import OnnxruntimeError

    try:
        from onnxdc.cli.commands import cli
    except OnnxruntimeError as error:
        print(f"onnxdc: error: {error}", file=sys.stderr)
        sys.exit(1)
    sys.stdout = sys.stdout or os.fdopen(1, "w")  # one that is closed leads to nowhere by now
    sys.stderr = sys.stderr or os.fdopen(2, "w")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal may lack a character, and a path its encoding
    cli(prog_name="onnxdc")


def __getattr__(name: str) -> Any:
    """Return the group of all commands when somebody asks for it."""
    if name == "cli":
        from onnxdc.cli.commands import cli

        return cli
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
