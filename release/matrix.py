"""Try the package on each version of Python that is installed here, with the oldest and the newest packages it allows.

    python release/matrix.py [WHEEL]

It tries a wheel that is built for this machine, or the one that is named. The oldest are the lowest versions that
pyproject.toml declares and that have a wheel for that Python. Prints a line for each, with what was installed; exits
with 1 where one fails.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
BUILD: Final = ROOT / "build" / "matrix"
PYTHONS: Final = ("3.11", "3.12", "3.13", "3.14")
RESOLUTIONS: Final = {"oldest": "lowest-direct", "newest": "highest"}
MODEL: Final = ROOT / "examples" / "lenet_300_100.onnx"
# What each has to do, natively: made here, run natively and portably, unpacked.
COMMANDS: Final = (
    ("doctor",),
    ("compress", str(MODEL), "-o", "small.onnx"),
    ("verify", str(MODEL), "small.onnx"),
    ("decode", "small.onnx", "-o", "dense.onnx"),
)


def uv(*arguments: str | Path) -> str:
    """Run uv and return what it prints."""
    return run(sys.executable, "-m", "uv", *arguments)


def run(*command: str | Path, folder: Path = ROOT) -> str:
    """Run a command in a folder and return what it prints; RuntimeError if it fails."""
    done = subprocess.run(list(map(str, command)), cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, command))}: {(done.stderr or done.stdout).strip()}")
    return done.stdout


def interpreters() -> Iterator[tuple[str, str]]:
    """Yield each version of Python that is found, with its program, and say which are not."""
    for version in PYTHONS:
        try:
            yield version, uv("python", "find", "--no-python-downloads", "--no-project", version).strip()
        except RuntimeError:
            print(f"Python {version}: not found here", flush=True)


def wheel() -> Path:
    """Build a wheel for this machine and return its path."""
    folder = BUILD / "wheel"
    shutil.rmtree(folder, ignore_errors=True)
    run(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", folder, ROOT)
    (path,) = folder.glob("*.whl")
    return path


def attempt(program: str, resolution: str, package: Path, folder: Path) -> str:
    """Install the package in a folder of its own and run it; return what `doctor` says of it in one line."""
    shutil.rmtree(folder, ignore_errors=True)
    uv("venv", "--quiet", "--python", program, folder)
    python = folder / "bin" / "python"
    pins = folder / "pins.txt"
    flags = ("--quiet", "--python", python, "--only-binary", ":all:")
    uv("pip", "compile", ROOT / "pyproject.toml", *flags, "--resolution", resolution, "--output-file", pins)
    uv("pip", "install", *flags, "--requirement", pins, package)
    printed = [run(python, "-m", "onnxdc", *command, folder=folder) for command in COMMANDS]
    return printed[0].strip().splitlines()[-1].partition(": ")[2]


def main() -> None:
    """Try all of them."""
    os.environ.pop("ONNXDC_ISA", None)
    package, failed = Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else wheel(), False
    for version, program in interpreters():
        for name, resolution in RESOLUTIONS.items():
            try:
                outcome = attempt(program, resolution, package, BUILD / f"{version}-{name}")
            except RuntimeError as error:
                failed, outcome = True, f"FAILED: {error}"
            print(f"Python {version}, {name}: {outcome}", flush=True)
    sys.exit(failed)


if __name__ == "__main__":
    main()
