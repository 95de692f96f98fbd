"""A discriminator's losses against the formula."""

from __future__ import annotations

import math

import pytest
import torch

from twofold.losses import gan_loss

LOGITS = [-3.0, -0.2, 0.0, 0.7, 4.0]


@pytest.mark.parametrize("real", [True, False])
def test_cross_entropy_is_the_logarithm_of_the_right_answer(real: bool) -> None:
    wanted = 0.0
    for logit in LOGITS:
        probability = 1 / (1 + math.exp(-logit))
        wanted -= math.log(probability if real else 1 - probability) / len(LOGITS)
    found = gan_loss(torch.tensor(LOGITS, dtype=torch.float64), real)
    assert float(found) == pytest.approx(wanted, rel=1e-12)


@pytest.mark.parametrize("real", [True, False])
def test_least_squares(real: bool) -> None:
    wanted = sum((logit - real) ** 2 for logit in LOGITS) / len(LOGITS)
    found = gan_loss(torch.tensor(LOGITS, dtype=torch.float64), real, "lsgan")
    assert float(found) == pytest.approx(wanted, rel=1e-12)


def test_fooling_does_not_saturate() -> None:
    """A discriminator that is sure of a fake still teaches the generator."""
    logits = torch.tensor([-30.0], requires_grad=True)
    (gradient,) = torch.autograd.grad(gan_loss(logits, real=True), logits)
    assert float(gradient) == pytest.approx(-1.0)


@pytest.mark.parametrize("kind", ["bce", "lsgan"])
def test_its_gradient(kind: str) -> None:
    logits = torch.tensor(LOGITS, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda z: gan_loss(z, True, kind), (logits,))  # type: ignore[arg-type]
