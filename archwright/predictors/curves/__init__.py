"""Learning curves: where a training will end, from its beginning.

`extrapolate` looks at one curve alone; `CurvePredictor` learns from the finished ones of the same
search. `METHODS` is the one place where names become methods.
"""

from archwright.predictors.curves.curve import Curve
from archwright.predictors.curves.predictor import (
    METHODS,
    CurvePredictor,
    Prediction,
    as_method,
    extrapolate,
)
from archwright.predictors.curves.shapes import FAMILIES

__all__ = [
    "FAMILIES",
    "METHODS",
    "Curve",
    "CurvePredictor",
    "Prediction",
    "as_method",
    "extrapolate",
]
