"""The command starts at once where there is little to do, and on systems that lack what POSIX has."""

from __future__ import annotations

import subprocess
import sys
from importlib import metadata

HEAVY = {"click", "ml_dtypes", "numpy", "onnx", "onnx_ir", "onnxruntime", "rich", "safetensors", "scipy", "torch"}


def test_the_version_loads_nothing_heavy():
    command = [sys.executable, "-X", "importtime", "-m", "onnxdc", "--version"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    loaded = {line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.splitlines()}
    assert "onnxdc" in loaded
    assert not loaded & HEAVY
    assert done.stdout == f"onnxdc {metadata.version('onnxdc')}\n"


def test_it_runs_where_processes_do_not_fork():
    code = (
        "import os, signal, sys\n"
        "del os.fork, os.preadv, os.O_DIRECTORY, os.O_NONBLOCK, signal.SIGHUP, signal.SIGCHLD, signal.pthread_sigmask\n"
        "sys.argv = ['onnxdc', 'inspect', 'missing.onnx']\n"
        "from onnxdc.cli import main\n"
        "main()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("onnxdc: error: missing.onnx")
