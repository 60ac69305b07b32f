"""``python -m onnxdc`` is the command ``onnxdc``."""

from onnxdc.cli import main

main()
