"""A page about a compressed file: HTML that needs nothing beside itself."""

from onnxdc.page.document import Page

__all__ = ["Page"]
