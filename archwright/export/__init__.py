"""Trained networks handed over: ONNX, torch.export and plain PyTorch source, each compared."""

from archwright.export.folder import FORMATS as FORMATS
from archwright.export.folder import Exported as Exported
from archwright.export.folder import export as export
from archwright.export.predictor import Predictor as Predictor
from archwright.export.predictor import load_exported as load_exported

__all__ = ["FORMATS", "Exported", "Predictor", "export", "load_exported"]
