"""What this machine and this installation are: for `doctor`, and for a report of a bug."""

from __future__ import annotations

import contextlib
import os
import platform
import re
import shutil
import subprocess
import sys
from importlib import metadata
from typing import Final

_PACKAGES: Final = ("onnx", "onnx-ir", "numpy", "ml_dtypes", "scipy", "torch")
# Of custom_ops/CMakeLists.txt: the oldest major version of each compiler that can build the library.
_OLDEST: Final = {"gcc": 9, "clang": 11}


def packages() -> dict[str, str]:
    """Return the versions of the packages that matter here, of those that are installed."""
    found = {}
    for name in _PACKAGES:
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found


def system() -> str:
    """Return the system, its C library and its processor's architecture, such as ``Linux 6.1 glibc 2.36 x86_64``."""
    if sys.platform == "darwin":
        name = f"macOS {platform.mac_ver()[0]}"
    else:
        name = " ".join([platform.system(), platform.release(), *filter(None, platform.libc_ver())])
    return f"{name} {platform.machine()}"


def processor() -> str:
    """Return the name of the processor, where the system tells it, and the number of cores that may be used."""
    name = platform.processor() or platform.machine()
    with contextlib.suppress(OSError), open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
        if found := re.search(r"^model name\s*: (.+)$", file.read(), re.MULTILINE):
            name = found[1]
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{name}, {cores} cores"


def why_no_compiler() -> str | None:
    """Say why the native library cannot be built here; None where the compiler that would be used is recent enough."""
    name = os.environ.get("CXX") or next(filter(shutil.which, ("c++", "g++", "clang++")), None)
    if name is None:
        return "there is no C++ compiler: expected c++, g++ or clang++ on PATH, or its name in CXX"
    try:
        first = subprocess.run([name, "--version"], capture_output=True, text=True, check=False, timeout=60).stdout
    except (OSError, subprocess.SubprocessError) as error:
        return f"the C++ compiler {name} does not run: {error}"
    first = first.partition("\n")[0]
    kind = "clang" if "clang" in first else "gcc"
    version = re.search(r"\b(\d+)\.\d+", first)
    if version is None or int(version[1]) < _OLDEST[kind]:
        oldest = " or ".join(f"{kind} {major}" for kind, major in _OLDEST.items())
        return f"the C++ compiler {name} is too old: expected {oldest} or a later one, got {first or 'no version'}"
    return None
