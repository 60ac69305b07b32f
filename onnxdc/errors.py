"""The errors that onnxdc raises for what a user can cause. Each message is one line: where, what, expected, got."""

from collections.abc import Callable, Sequence
from typing import Any

from onnxdc.shown import MESSAGE_LENGTH, shown


class OptionName(str):
    """The name of an option in a message: ``lr_schedule`` in Python, ``--lr-schedule`` on the command line."""

    __slots__ = ()


def option_names(names: Sequence[str], between: str) -> list[str]:
    """Return the parts of a message that list options: their names, with ``between`` between them."""
    return [part for name in names for part in (between, OptionName(name))][1:]


class Message:
    """A message in parts, some of which may be names of options.

    Attributes:
        args: The parts, as exceptions have them: texts, and names of options.
    """

    args: tuple[Any, ...]

    def message(self, spell: Callable[[OptionName], str] = str) -> str:
        """Return the message in one line, with the names of options as ``spell`` spells them."""
        text = "".join(spell(part) if isinstance(part, OptionName) else str(part) for part in self.args)
        return shown(text, MESSAGE_LENGTH)

    def __str__(self) -> str:
        return self.message()


class OnnxdcError(Message, Exception):
    """Base of every error that onnxdc raises on purpose. The command line prints it in one line and exits with 1."""


class ModelError(OnnxdcError):
    """The model cannot be read, is not valid ONNX, or does not have what the call needs."""


class LimitError(ModelError):
    """The model would take more memory than a file of its size may; the caller can allow more."""


class FormatError(OnnxdcError):
    """A compressed weight breaks a rule of docs/format.md section 7.

    Attributes:
        rule: The name of the rule, as in the format's table (``"kraft"``, ``"checksum"``, ...).
        detail: What was expected, and what the file has.
        where: The weight or node that it concerns; empty if that is not known.
    """

    def __init__(self, rule: str, detail: str, where: str = "") -> None:
        self.rule = rule
        self.detail = detail
        self.where = where
        super().__init__(f"{where}: {rule}: {detail}" if where else f"{rule}: {detail}")

    def at(self, where: str) -> "FormatError":
        """Return the same error, with the name of the weight or node that it concerns."""
        return FormatError(self.rule, self.detail, where)


class WeightError(OnnxdcError):
    """A weight cannot be processed for what it is: its type, its size, a NaN in it, too many distinct values."""


class OptionError(OnnxdcError):
    """An option is out of its range, or does not go with another one. The command line exits with 2."""


class TrainingError(OnnxdcError):
    """Training cannot start or go on: data that do not fit, a loss that is no number, a checkpoint of another run."""


class Interrupted(Message, KeyboardInterrupt):
    """Training was interrupted. The message says how to go on; the command line prints it and exits with 130."""


class RecipeError(OnnxdcError):
    """A recipe is malformed, names an unknown key, or has a pattern that matches nothing."""


class HookError(OnnxdcError):
    """A training hook is damaged or of another model, or what was trained does not fit it."""


class NativeError(OnnxdcError):
    """The native library is missing, does not load, or does not support the instruction set asked for."""


class CustomOpsError(OnnxdcError):
    """A library of somebody's own operators that was named is not there, or onnxruntime cannot register it."""


class OnnxruntimeError(OnnxdcError, ImportError):
    """onnxruntime does not import: it is damaged, lacks a library of the system, or does not go with this numpy."""


class WorkersError(OnnxdcError):
    """The workers that the work is to go to cannot be reached, are gone, or cannot do it."""


class MissingExtraError(OnnxdcError, ImportError):
    """What was asked for needs a package that an extra of onnxdc installs."""
