"""The command line: it parses, calls the library and prints."""

from onnxdc.cli.commands import cli


def main() -> None:
    """The entry point of ``onnxdc`` and of ``python -m onnxdc``."""
    cli(prog_name="onnxdc")


__all__ = ["cli", "main"]
