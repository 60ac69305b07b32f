"""Running compressed models: sessions of onnxruntime, the native library, and whether it works here."""

from onnxdc.runtime.sessions import Native, Provider, best_decoder, naming, session, why_not_native

__all__ = ["Native", "Provider", "best_decoder", "naming", "session", "why_not_native"]
