"""Passes over onnx_ir models: fold, prune, share, encode, decode. Each answers what it changed and what it skipped."""
