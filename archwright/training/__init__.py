"""The one training loop: recipes, fitting inside a time allowance, prediction.

Scikit-learn's lines to beat are in `archwright.training.baselines`.
"""

from archwright.training.distillation import Teacher as Teacher
from archwright.training.distillation import distillation_loss as distillation_loss
from archwright.training.inference import evaluate as evaluate
from archwright.training.inference import predict as predict
from archwright.training.loop import Fit as Fit
from archwright.training.loop import StopTraining as StopTraining
from archwright.training.loop import fit as fit
from archwright.training.pace import Pace as Pace
from archwright.training.recipe import RECIPE_FIELDS as RECIPE_FIELDS
from archwright.training.recipe import Recipe as Recipe
from archwright.training.stages import Stages as Stages
from archwright.training.timing import fastest_threads as fastest_threads
from archwright.training.timing import row_seconds as row_seconds

__all__ = [
    "RECIPE_FIELDS",
    "Fit",
    "Pace",
    "Recipe",
    "Stages",
    "StopTraining",
    "Teacher",
    "distillation_loss",
    "evaluate",
    "fastest_threads",
    "fit",
    "predict",
    "row_seconds",
]
