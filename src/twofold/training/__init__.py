"""Training: the loop, what it may spread over processes, and features without gradients."""

from twofold.training.forward import as_batch, check_collapse, forward_all
from twofold.training.loop import (
    UNBOUNDED_GRADIENT,
    Step,
    StepLoss,
    TrainingConfig,
    TrainingLog,
    local_generator,
    make_sgd,
    optimise,
)

__all__ = [
    "UNBOUNDED_GRADIENT",
    "Step",
    "StepLoss",
    "TrainingConfig",
    "TrainingLog",
    "as_batch",
    "check_collapse",
    "forward_all",
    "local_generator",
    "make_sgd",
    "optimise",
]
