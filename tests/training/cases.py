"""Small trainings."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from tests.support import toy
from torch import Tensor, nn

from twofold.encoders.backbone import Suffix
from twofold.encoders.spec import Trainable
from twofold.method_table import METHODS
from twofold.methods import Method, parse_config
from twofold.training import (
    TrainingConfig,
    optimise,
)

SPLITS: tuple[Trainable, ...] = ("head", "last_stage", "all")

ALL_OUTPUTS = ("pooled", "split:last_stage", "split:all")


@lru_cache(maxsize=1)
def world() -> toy.Encoded:
    return toy.encode_world(toy.make_world(n_source=70, n_pool=40, n_test=10), ALL_OUTPUTS)


def fitting(name: str = "source_only", seed: int = 0, **options: Any) -> Any:
    method: type[Method] = METHODS.load(name)
    data = toy.fit_data(method, world())
    data = replace(data, source=data.source.subset(np.arange(40)))
    return method(toy.encoder(), parse_config(method, {"recipe": "as_printed"} | options)).fit(
        data, random_state=seed
    )


def fitted(name: str = "source_only", seed: int = 0, **options: Any) -> Any:
    return fitting(name, seed, **options).model


class Line(nn.Module):
    """A head and a body of one weight each."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Linear(1, 1, bias=False)
        self.suffix = Suffix([("body", self.body)])  # Part of an encoder.
        self.head = nn.Linear(1, 1, bias=False)
        nn.init.ones_(self.body.weight)
        nn.init.ones_(self.head.weight)

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.body(x) + self.head(x)
        return result


def descend(module: nn.Module, scale: float = 1.0, **options: Any) -> Any:
    config = TrainingConfig(**({"epochs": 1, "momentum": 0.0, "weight_decay": 0.0} | options))
    return optimise(
        module, lambda m, _: scale * m(torch.ones(1, 1)).sum(), config, steps_per_epoch=1
    )
