"""How the command line ends: 0, 1 with one line for what a user can mend, 2 for wrong usage, 130 when interrupted."""

from __future__ import annotations

import errno
from typing import IO, Any, Final

import click

from onnxdc.errors import Interrupted, OnnxdcError, OptionError, OptionName
from onnxdc.shown import MESSAGE_LENGTH, shown

_SENTENCE: Final = 1000  # characters, a choice: longer than any
INTERRUPTED: Final = 130  # 128 + SIGINT, as in a shell


class Failure(click.ClickException):
    """An error that is shown in one line."""

    exit_code = 1

    def show(self, file: IO[Any] | None = None) -> None:
        """Print ``onnxdc: error: ...``."""
        click.echo(f"onnxdc: error: {shown(self.message, MESSAGE_LENGTH)}", file=file, err=True)


class Group(click.Group):
    """A group of commands whose errors are shown in one line."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands, each with its whole first sentence: click itself cuts it to one line."""
        commands = ((name, self.get_command(ctx, name)) for name in self.list_commands(ctx))
        rows = [(name, command.get_short_help_str(_SENTENCE)) for name, command in commands if command is not None]
        with formatter.section("Commands"):
            formatter.write_dl(rows)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command that was asked for."""
        try:
            return super().invoke(ctx)
        except OptionError as error:
            raise click.UsageError(error.message(_flag)) from error
        except OnnxdcError as error:
            raise Failure(error.message(_flag)) from error
        except click.ClickException as error:
            vars(error)["message"] = shown(error.message, MESSAGE_LENGTH)  # may quote an argument, a file's name
            raise
        except OSError as error:
            if error.errno == errno.EPIPE:  # the reader has gone; click ends in silence
                raise
            raise Failure(f"{error.filename}: {error.strerror}" if error.filename else str(error)) from error
        except MemoryError as error:
            raise Failure(f"out of memory: {error}" if str(error) else "out of memory") from error
        except KeyboardInterrupt as interrupt:
            if isinstance(interrupt, Interrupted):
                click.echo(f"onnxdc: interrupted: {interrupt.message(_flag)}", err=True)
            raise click.exceptions.Exit(INTERRUPTED) from None


def _flag(option: OptionName) -> str:
    return f"--{option.replace('_', '-')}"
