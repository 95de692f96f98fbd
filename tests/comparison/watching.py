"""What a fit of a few-shot system encodes and how it trains, noted on the way."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from torch import Tensor, nn

from twofold.encoders import pixels
from twofold.encoders.encoder import Encoder
from twofold.training import Step, TrainingConfig, optimise


def encoded_images(monkeypatch: pytest.MonkeyPatch, module: ModuleType) -> list[NDArray[np.uint8]]:
    """The images that the module's fits encode from memory, one entry a call."""
    found: list[NDArray[np.uint8]] = []

    def recorded(encoder: Encoder, images: NDArray[np.uint8], output: str) -> Any:
        found.append(images)
        return pixels.encode_pixels(encoder, images, output)

    monkeypatch.setattr(module, "encode_pixels", recorded)
    return found


def training(monkeypatch: pytest.MonkeyPatch, module: ModuleType) -> dict[str, Any]:
    """How the module's fits train, of the last one but for ``steps`` and ``batches``.

    The ``module``, ``config`` and ``objective``, what else the loop is given as ``more``, the
    ``steps``, the ``batches`` that enter the network, and which statistics are ``live`` (of
    vectors, of maps).
    """
    found: dict[str, Any] = {"steps": [], "batches": []}

    def watched(trainee: nn.Module, objective: Any, config: TrainingConfig, **more: Any) -> Any:
        def loss(wrapped: nn.Module, step: Step) -> Tensor:
            found["steps"].append(step)
            found["live"] = tuple(
                [m.training for m in trainee.modules() if isinstance(m, kind)]
                for kind in (nn.BatchNorm1d, nn.BatchNorm2d)
            )
            result: Tensor = objective(wrapped, step)
            return result

        def enters(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            del module
            found["batches"].append(inputs[0])

        found.update(module=trainee, config=config, objective=objective, more=more)
        hook = trainee.register_forward_pre_hook(enters)
        try:
            return optimise(trainee, loss, config, **more)
        finally:
            hook.remove()

    monkeypatch.setattr(module, "optimise", watched)
    return found
