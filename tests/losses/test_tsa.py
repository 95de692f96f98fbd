"""The closed form of TSA against plain cross-entropy, sampling and double loops."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from twofold.errors import ConfigError
from twofold.losses import (
    augmented_cross_entropy,
    class_covariances,
    class_shifts,
    mutual_information,
)

K, D = 3, 4


def problem(seed: int = 0, n: int = 6) -> dict[str, Any]:
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape: int) -> Tensor:
        return torch.randn(*shape, dtype=torch.float64, generator=generator)

    roots = draw(K, D, D)
    return {
        "features": draw(n, D),
        "labels": torch.randint(K, (n,), generator=generator),
        "weight": draw(K, D),
        "bias": draw(K),
        "shifts": draw(K, D),
        "covariances": roots @ roots.transpose(1, 2) / D,
    }


def slow(
    features: Tensor,
    labels: Tensor,
    weight: Tensor,
    bias: Tensor,
    shifts: Tensor,
    covariances: Tensor,
    strength: float,
) -> float:
    total = 0.0
    for f, label in zip(features, labels.tolist(), strict=True):
        logits = []
        for c in range(K):
            apart = weight[c] - weight[label]
            value = weight[c] @ f + bias[c] + strength * (apart @ shifts[label])
            value = value + strength / 2 * (apart @ covariances[label] @ apart)
            logits.append(float(value))
        total += math.log(sum(math.exp(z) for z in logits)) - logits[label]
    return total / len(features)


@pytest.mark.parametrize("strength", [0.0, 0.25, 2.0])
@pytest.mark.parametrize("seed", [0, 1])
def test_it_is_the_loop_over_images_and_classes(strength: float, seed: int) -> None:
    given = problem(seed)
    found = augmented_cross_entropy(**given, strength=strength)
    assert found.item() == pytest.approx(slow(**given, strength=strength), rel=1e-10)


def test_without_strength_it_is_cross_entropy() -> None:
    given = problem()
    plain = cross_entropy(given["features"] @ given["weight"].T + given["bias"], given["labels"])
    torch.testing.assert_close(augmented_cross_entropy(**given, strength=0.0), plain)


@pytest.mark.parametrize("strength", [0.1, 0.25, 1.0])
@pytest.mark.parametrize("seed", range(3))
def test_sampling_never_exceeds_it(strength: float, seed: int) -> None:
    """The expectation over features shifted by N(lambda s_y, lambda C_y) is below the bound."""
    given = problem(seed)
    generator = torch.Generator().manual_seed(seed + 100)
    labels, m = given["labels"], 20000
    roots = torch.linalg.cholesky(given["covariances"])[labels]
    noise = torch.randn(m, len(labels), D, dtype=torch.float64, generator=generator)
    moved = (
        given["features"]
        + strength * given["shifts"][labels]
        + math.sqrt(strength) * torch.einsum("nde,mne->mnd", roots, noise)
    )
    logits = moved @ given["weight"].T + given["bias"]
    sampled = cross_entropy(logits.flatten(0, 1), labels.repeat(m)).item()
    bound = augmented_cross_entropy(**given, strength=strength).item()
    assert sampled <= bound
    # The mean shift alone is not the bound: spread raises it.
    still = given | {"covariances": torch.zeros(K, D, D, dtype=torch.float64)}
    assert augmented_cross_entropy(**still, strength=strength).item() < bound


def test_a_small_spread_makes_the_bound_tight() -> None:
    given = problem()
    given["covariances"] = given["covariances"] * 1e-9
    labels = given["labels"]
    moved = given["features"] + 0.5 * given["shifts"][labels]
    exact = cross_entropy(moved @ given["weight"].T + given["bias"], labels).item()
    assert augmented_cross_entropy(**given, strength=0.5).item() == pytest.approx(exact, abs=1e-7)


def test_gradients() -> None:
    given = problem()
    inputs = tuple(given[name].requires_grad_() for name in ("features", "weight", "bias"))

    def loss(features: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        changed = given | {"features": features, "weight": weight, "bias": bias}
        return augmented_cross_entropy(**changed, strength=0.5)

    assert torch.autograd.gradcheck(loss, inputs)
    constants = [given[name].requires_grad_() for name in ("shifts", "covariances")]
    augmented_cross_entropy(**given, strength=0.5).backward()  # type: ignore[no-untyped-call]
    assert all(constant.grad is None for constant in constants)


def test_edges_of_the_augmented_loss() -> None:
    given = problem()
    with pytest.raises(ConfigError, match="at least 0, not -1"):
        augmented_cross_entropy(**given, strength=-1)
    nothing = given | {"features": given["features"][:0], "labels": given["labels"][:0]}
    assert augmented_cross_entropy(**nothing, strength=1.0).item() == 0
    half = given | {"features": given["features"].half()}
    assert augmented_cross_entropy(**half, strength=1.0).dtype == torch.float32
    huge = given | {"features": given["features"] * 1e6}
    assert torch.isfinite(augmented_cross_entropy(**huge, strength=1.0))


def test_mutual_information_by_hand() -> None:
    logits = problem()["features"][:, :K]
    p = logits.softmax(dim=1)
    mean = p.mean(dim=0)
    entropy = -sum(float(m) * math.log(float(m)) for m in mean)
    entropies = [-sum(float(x) * math.log(float(x)) for x in row) for row in p]
    expected = entropy - sum(entropies) / len(entropies)
    assert mutual_information(logits).item() == pytest.approx(expected)


def test_bounds_of_mutual_information() -> None:
    sure = 1e4 * torch.eye(2).repeat(3, 1)
    assert mutual_information(sure).item() == pytest.approx(math.log(2))
    assert mutual_information(torch.ones(5, 2)).item() == pytest.approx(0, abs=1e-6)
    # The release logs a softmax, which is NaN here.
    one_sided = (1e4 * torch.tensor([[1.0, 0.0]] * 4)).requires_grad_()
    found = mutual_information(one_sided)
    found.backward()  # type: ignore[no-untyped-call]
    assert found.item() == pytest.approx(0, abs=1e-6)
    assert one_sided.grad is not None
    assert torch.isfinite(one_sided.grad).all()
    assert mutual_information(torch.empty(0, 2)).item() == 0
    assert torch.autograd.gradcheck(mutual_information, problem()["weight"].requires_grad_())


def test_shifts_by_hand() -> None:
    source = torch.tensor([[0.0, 0.0], [2.0, 0.0], [5.0, 5.0], [9.0, 9.0]])
    target = torch.tensor([[3.0, 1.0], [7.0, 7.0]])
    shifts = class_shifts(
        source, torch.tensor([0, 0, 1, 2]), target, torch.tensor([0, 1]), classes=4
    )
    assert shifts.tolist() == [[2.0, 1.0], [2.0, 2.0], [0.0, 0.0], [0.0, 0.0]]


@pytest.mark.parametrize("rho", [0.0, 0.1, 1.0])
def test_covariances_by_hand(rho: float) -> None:
    given = problem(n=9)
    rows, labels = given["features"], given["labels"]
    found = class_covariances(rows, labels, K + 1, shrinkage=rho)
    for c in range(K):
        own = rows[labels == c]
        mean = own.mean(dim=0)
        s = [
            [
                sum(float((r[i] - mean[i]) * (r[j] - mean[j])) for r in own) / len(own)
                for j in range(D)
            ]
            for i in range(D)
        ]
        trace = sum(s[i][i] for i in range(D))
        for i in range(D):
            for j in range(D):
                expected = (1 - rho) * s[i][j] + (rho * trace / D if i == j else 0.0)
                assert float(found[c, i, j]) == pytest.approx(expected, abs=1e-12)
    assert torch.equal(found[K], torch.zeros(D, D, dtype=torch.float64))


def test_shrinkage_gives_a_handful_of_rows_full_rank() -> None:
    rows, labels = problem(n=3)["features"], torch.zeros(3, dtype=torch.int64)
    bare, shrunk = (class_covariances(rows, labels, 1, shrinkage=rho)[0] for rho in (0.0, 0.1))
    assert int(torch.linalg.matrix_rank(bare)) == 2
    assert int(torch.linalg.matrix_rank(shrunk)) == D
    assert float(bare.trace()) == pytest.approx(float(shrunk.trace()))
    assert torch.equal(
        class_covariances(rows[:1], labels[:1], 1, shrinkage=0.1)[0], torch.zeros(D, D).double()
    )
    with pytest.raises(ConfigError, match=r"in \[0, 1\], not 1.5"):
        class_covariances(rows, labels, 1, shrinkage=1.5)
