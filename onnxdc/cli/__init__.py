"""The command line: it parses, calls the library and prints."""

from onnxdc.cli.commands import cli


def main() -> None:
    """Run the command line: the entry point of ``onnxdc`` and of ``python -m onnxdc``."""
    cli(prog_name="onnxdc")


__all__ = ["cli", "main"]
