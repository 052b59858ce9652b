"""Students: networks trained from scratch on a set, as its recipe says, to find out what the set is worth."""

from rudcodec.payload import hard_recipe
from rudcodec.students.batches import Batches
from rudcodec.students.keeping import (
    Seen,
    StudentKeeper,
    facts_of_students,
    kept_students,
    students_in_cache,
    students_within,
)
from rudcodec.students.limits import check_request
from rudcodec.students.objective import label_loss
from rudcodec.students.optimizers import RecipeOptimizer, optimizers_for
from rudcodec.students.panel import Panel
from rudcodec.students.prediction import accuracy, predict
from rudcodec.students.recipes import (
    default_recipe,
    network_views,
    student_views,
    view_recipe,
)
from rudcodec.students.spec import StudentSpec
from rudcodec.students.trainer import Trainer, train_student
from rudcodec.students.training_set import TrainingSet
from rudcodec.students.transforms import RecipeTransform

__all__ = [
    "Batches",
    "Panel",
    "RecipeOptimizer",
    "RecipeTransform",
    "Seen",
    "StudentKeeper",
    "StudentSpec",
    "Trainer",
    "TrainingSet",
    "accuracy",
    "check_request",
    "default_recipe",
    "facts_of_students",
    "hard_recipe",
    "kept_students",
    "label_loss",
    "network_views",
    "optimizers_for",
    "predict",
    "student_views",
    "students_in_cache",
    "students_within",
    "train_student",
    "view_recipe",
]
