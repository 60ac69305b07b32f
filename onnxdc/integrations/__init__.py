"""Compression as other tools want it: a pass of onnx_ir and one of Olive. See docs/other_tools.md."""
