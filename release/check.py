"""Check what is about to be released: what `release/wheels.py` has built, and what the repository says of it.

    python release/check.py dist

Prints a line for each check, and exits with 1 where one fails.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from wheels import TARGETS

ROOT: Final = Path(__file__).parents[1]
PROJECT: Final = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
VERSION: Final[str] = PROJECT["version"]
LIBRARIES: Final = {"linux": "libonnxdc_ops.so", "macosx": "libonnxdc_ops.dylib", "win": "onnxdc_ops.dll"}
# What zig's linker for macOS exports besides: operators new and delete, which are weak, and marks of the file itself.
MACOS_EXPORTS: Final = r"_Zn[aw]m.*|_Zd[al]Pv.*|__dso_handle|_mh_dylib_header"
# Not for users: they have a package, or a clone of the repository.
ONLY_IN_REPOSITORY: Final = (".ci/", ".github/", ".gitignore")


def versions() -> Iterator[str]:
    """Yield where another version is written than in pyproject.toml."""
    found = {
        "CITATION.cff": re.findall(r"^version: (\S+)$", (ROOT / "CITATION.cff").read_text(encoding="utf-8"), re.M),
        "CHANGELOG.md": re.findall(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.M)[:1],
        "js/package.json": [json.loads((ROOT / "js" / "package.json").read_text(encoding="utf-8"))["version"]],
    }
    for place, stated in found.items():
        if stated != [VERSION]:
            yield f"{place}: expected version {VERSION}, got {', '.join(stated) or 'none'}"


def files(dist: Path) -> Iterator[str]:
    """Yield which of the files of a release are missing, and which others are there."""
    name = f"{PROJECT['name']}-{VERSION}"
    expected = {f"{name}.tar.gz", *(f"{name}-py3-none-{target.platform}.whl" for target in TARGETS)}
    present = {path.name for path in dist.iterdir()}
    yield from (f"{dist / file}: missing" for file in sorted(expected - present))
    yield from (f"{dist / file}: not a file of this release" for file in sorted(present - expected))


def sdist(dist: Path) -> Iterator[str]:
    """Yield what is in the repository and not in the source distribution."""
    done = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)
    for path in dist.glob("*.tar.gz"):
        with tarfile.open(path) as archive:
            present = {name.partition("/")[2] for name in archive.getnames()}
        for file in done.stdout.splitlines():
            if file not in present and not file.startswith(ONLY_IN_REPOSITORY):
                yield f"{path}: without {file}"


def wheels(dist: Path) -> Iterator[str]:
    """Yield what is missing in the wheels, or is of another system."""
    for path in sorted(dist.glob("*.whl")):
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            system = re.split(r"[_\d]", path.stem.split("-")[-1].removeprefix("many"))[0]
            library = f"onnxdc/lib/{LIBRARIES[system]}"
            info = f"{PROJECT['name']}-{VERSION}.dist-info"
            for file in (library, "onnxdc/include/onnxdc.h", "onnxdc/py.typed", f"{info}/licenses/LICENSE"):
                if file not in names:
                    yield f"{path}: without {file}"
            if library in names:
                yield from (f"{path}: {library}: {wrong}" for wrong in exports(archive.read(library)))
            if f"License-Expression: {PROJECT['license']}\n" not in archive.read(f"{info}/METADATA").decode():
                yield f"{path}: its metadata do not have the licence {PROJECT['license']}"


def exports(library: bytes) -> Iterator[str]:
    """Yield which names a library should export and does not, and which it should not and does."""
    import lief  # of the extra `release`, as what the other checks run

    lief.logging.disable()
    header = (ROOT / "custom_ops" / "include" / "onnxdc.h").read_text(encoding="utf-8")
    expected = set(re.findall(r"^ONNXDC_API [^(]*?(\w+)\(", header, re.M)) | {"onnxdc_isa", "onnxdc_interface"}
    binary: Any = lief.parse(library)
    names = {str(function.name) for function in binary.exported_functions}
    if isinstance(binary, lief.MachO.Binary):
        names = {name.removeprefix("_") for name in names}
        names = {name for name in names if not re.fullmatch(MACOS_EXPORTS, name)}
    yield from (f"does not export {name}" for name in sorted(expected - names))
    yield from (
        f"exports {name}" for name in sorted(names) if not name.startswith("onnxdc_") and name != "RegisterCustomOps"
    )


def manylinux(dist: Path) -> Iterator[str]:
    """Yield which wheels for Linux take more of a system than their tag says."""
    for path in sorted(dist.glob("*manylinux*.whl")):
        done = subprocess.run(
            [sys.executable, "-m", "auditwheel", "show", str(path)], capture_output=True, text=True, check=False
        )
        text = " ".join(done.stdout.split())
        tag = re.search(r'is consistent with the following platform tag: "manylinux_2_(\d+)_', text)
        if tag is None or int(tag[1]) > 17:
            yield f"{path}: expected manylinux_2_17 or older: {text or done.stderr.strip()}"


def tools(dist: Path) -> Iterator[str]:
    """Yield what the tools of the package index find."""
    paths = sorted(map(str, dist.iterdir()))
    only_wheels = [path for path in paths if path.endswith(".whl")]
    for tool, arguments in (("twine", ["check", "--strict", *paths]), ("check_wheel_contents", only_wheels)):
        done = subprocess.run([sys.executable, "-m", tool, *arguments], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            yield f"{tool}: {' '.join((done.stdout + done.stderr).split())}"


def links() -> Iterator[str]:
    """Yield links of the documentation to files that are not there."""
    folders = ("benchmarks", "docs", "examples", "js")
    pages = (page for folder in folders for page in ROOT.glob(f"{folder}/**/*.md") if "node_modules" not in page.parts)
    for page in sorted([*ROOT.glob("*.md"), *pages]):
        for link in re.findall(r"\]\((?!https?:)([^)#\s]+)", page.read_text(encoding="utf-8")):
            if not (page.parent / link).exists():
                yield f"{page.relative_to(ROOT)}: a link to {link}, which is not there"


def main() -> None:
    """Run all checks on the folder that the command line names."""
    if len(sys.argv) != 2 or not Path(sys.argv[1]).is_dir():
        sys.exit("usage: python release/check.py FOLDER, as release/wheels.py has filled it")
    dist = Path(sys.argv[1])
    failed = False
    for name, problems in (
        ("versions agree", list(versions())),
        ("files of the release", list(files(dist))),
        ("the source distribution is complete", list(sdist(dist))),
        ("wheels have their libraries and the licence", list(wheels(dist))),
        ("auditwheel", list(manylinux(dist))),
        ("twine, check-wheel-contents", list(tools(dist))),
        ("links of the documentation", list(links())),
    ):
        failed |= bool(problems)
        print(f"{'FAILED' if problems else 'ok'}: {name}", *problems, sep="\n  ")
    sys.exit(failed)


if __name__ == "__main__":
    main()
