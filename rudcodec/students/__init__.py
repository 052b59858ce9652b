"""Students: networks trained from scratch on a set, as its recipe says, to find out what the set is worth."""

from rudcodec.students.limits import check_request
from rudcodec.students.optimizers import optimizers_for
from rudcodec.students.prediction import accuracy, predict
from rudcodec.students.recipes import (
    default_recipe,
    hard_recipe,
    network_views,
    student_views,
    view_recipe,
)
from rudcodec.students.spec import Panel, StudentSpec
from rudcodec.students.trainer import Trainer, train_student
from rudcodec.students.training_set import TrainingSet

__all__ = [
    "Panel",
    "StudentSpec",
    "Trainer",
    "TrainingSet",
    "accuracy",
    "check_request",
    "default_recipe",
    "hard_recipe",
    "network_views",
    "optimizers_for",
    "predict",
    "student_views",
    "train_student",
    "view_recipe",
]
