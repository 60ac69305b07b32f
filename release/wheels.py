"""Build the source distribution, and from it a wheel for each system, with zig as the cross compiler.

    python release/wheels.py dist

The wheels have no Python ABI: one serves every version of Python. What they need of their system is in the tag.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
BUILD: Final = ROOT / "build" / "wheels"


@dataclass(frozen=True)
class Target:
    """What a wheel is built for.

    Attributes:
        zig: What zig calls it, with the oldest version of the C library or the system that it runs on.
        platform: The platform tag of the wheel (PEP 425, PEP 600).
    """

    zig: str
    platform: str


TARGETS: Final = (
    Target("x86_64-linux-gnu.2.17", "manylinux2014_x86_64.manylinux_2_17_x86_64"),
    Target("aarch64-linux-gnu.2.17", "manylinux2014_aarch64.manylinux_2_17_aarch64"),
    Target("x86_64-windows-gnu", "win_amd64"),
    Target("aarch64-macos.11.0", "macosx_11_0_arm64"),
)


def run(*command: str | Path, **variables: str) -> None:
    """Run a command, with more variables of the environment; one that fails ends the program."""
    done = subprocess.run(list(map(str, command)), check=False, env={**os.environ, **variables})
    if done.returncode != 0:
        sys.exit(f"release/wheels.py: failed with {done.returncode}: {' '.join(map(str, command))}")


def build_sdist(out: Path) -> Path:
    """Write the source distribution into a folder and return its path."""
    run(sys.executable, "-m", "build", "--sdist", "--outdir", out, ROOT)
    (path,) = out.glob("*.tar.gz")
    return path


def unpack(sdist: Path) -> Path:
    """Unpack the source distribution, always in the same place, so that only what has changed is compiled again."""
    folder = BUILD / "sources"
    shutil.rmtree(folder, ignore_errors=True)
    with tarfile.open(sdist) as archive:
        archive.extractall(folder, filter="data")
    (sources,) = folder.iterdir()
    return sources


def build_wheel(sources: Path, target: Target, out: Path) -> None:
    """Compile the sources for a target, and write the wheel into a folder."""
    import ziglang  # of the extra `release`

    settings = {
        "cmake.args": f"--toolchain={sources / 'release' / 'zig.cmake'}",
        "cmake.define.ZIG": str(Path(ziglang.__file__).parent / "zig"),
        "cmake.define.ZIG_TARGET": target.zig,
        "build-dir": str(BUILD / target.zig),
        "install.strip": "false",  # by the linker: strip(1) knows this machine's files only
    }
    with tempfile.TemporaryDirectory() as folder:
        flags = [f"--config-setting={key}={value}" for key, value in settings.items()]
        run(sys.executable, "-m", "build", "--wheel", "--outdir", folder, *flags, sources, ONNXDC_REQUIRE_NATIVE="1")
        (built,) = Path(folder).glob("*.whl")
        run(sys.executable, "-m", "wheel", "tags", "--remove", f"--platform-tag={target.platform}", built)
        (tagged,) = Path(folder).glob("*.whl")
        shutil.move(tagged, out)


def main() -> None:
    """Build all of it into the folder that the command line names, which is emptied first."""
    if len(sys.argv) != 2:
        sys.exit("usage: python release/wheels.py FOLDER")
    out = Path(sys.argv[1])
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    sources = unpack(build_sdist(out))
    for target in TARGETS:
        build_wheel(sources, target, out)


if __name__ == "__main__":
    main()
