"""Models as files: saved and loaded without running code, and exported to ONNX."""

from sk_deepsets.io._onnx import to_onnx
from sk_deepsets.io._save import load, save

__all__ = ["load", "save", "to_onnx"]
