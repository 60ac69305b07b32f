"""What all programs do alike: parse their options, choose among names, and say what is missing."""

from __future__ import annotations

import argparse
import importlib.util
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Final

BUILD: Final = Path(__file__).parents[2] / "build" / "benchmarks"
"""Where models are kept from one run to the next."""


class MissingError(Exception):
    """Something that a program needs is not there; one line says what and where it was looked for."""


def make_parser(text: str | None) -> argparse.ArgumentParser:
    """Make a parser whose help is the docstring of the program, as it is."""
    return argparse.ArgumentParser(description=text, formatter_class=argparse.RawDescriptionHelpFormatter)


def run(main: Callable[[], int]) -> int:
    """Run a program and return its exit code: 1, after a line on stderr, if something is missing."""
    try:
        return main()
    except MissingError as error:
        print(f"{Path(sys.argv[0]).name}: missing {error}", file=sys.stderr)
        return 1


def add_data(parser: argparse.ArgumentParser, name: str = "folder") -> None:
    """Add the argument that names the data; without it, the environment variable ONNXDC_DATA does."""
    variable = os.environ.get("ONNXDC_DATA")
    default = Path(variable) if variable else None
    parser.add_argument(name, nargs="?", type=Path, metavar=name.upper(), default=default)


def add_minilm(parser: argparse.ArgumentParser, *, tokenizer: bool = False) -> None:
    """Add the options that say where MiniLM is, and its tokenizer, if not in the folder of data."""
    parser.add_argument("--minilm", type=Path, metavar="FILE", help="all-MiniLM-L6-v2 (default: FOLDER/minilm.onnx)")
    if tokenizer:
        parser.add_argument(
            "--tokenizer", type=Path, metavar="FILE", help="its tokenizer (default: FOLDER/tokenizer.json)"
        )


def add_runs(parser: argparse.ArgumentParser) -> None:
    """Add the option that says how often what is timed has its turn."""
    parser.add_argument("--runs", type=int, metavar="N", help="turns of each model (default: for a few seconds)")


def data_path(path: Path | None, what: str) -> Path:
    """Return the argument that names the data.

    Raises:
        MissingError: Neither the argument nor ONNXDC_DATA names it.
    """
    if path is None:
        raise MissingError(f"{what} as an argument or in ONNXDC_DATA")
    return path


def choose(names: Sequence[str] | None, known: Iterable[str], what: str) -> list[str]:
    """Return the names that were chosen, in the order of the known ones: all if none were.

    Raises:
        MissingError: One of them is not known.
    """
    known = list(known)
    if unknown := sorted(set(names or ()) - set(known)):
        raise MissingError(f"{what} {', '.join(unknown)}: expected some of {', '.join(known)}")
    return [name for name in known if not names or name in names]


def choose_matching(parser: argparse.ArgumentParser, patterns: Sequence[str], known: Iterable[str]) -> list[str]:
    """Return the known names that match a pattern: all if there is no pattern. One without a match is a usage error."""
    known = list(known)
    if unknown := [pattern for pattern in patterns if not any(fnmatchcase(name, pattern) for name in known)]:
        parser.error(f"no row is called {', '.join(unknown)}: expected {', '.join(known)}")
    return [name for name in known if not patterns or any(fnmatchcase(name, pattern) for pattern in patterns)]


def need(package: str, what: str) -> None:
    """Make sure that a package that only some programs take is installed.

    Args:
        package: The name that it is imported by.
        what: What it is, and how to install it.

    Raises:
        MissingError: It is not.
    """
    if importlib.util.find_spec(package) is None:
        raise MissingError(what)


def need_files(paths: Iterable[Path]) -> None:
    """Make sure that files are there.

    Raises:
        MissingError: Some are not.
    """
    missing = dict.fromkeys(str(path) for path in paths if not path.is_file())
    if missing:
        raise MissingError(f"file{'s' if len(missing) > 1 else ''} {', '.join(missing)}")
