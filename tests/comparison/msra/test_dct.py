"""The bases of multi-spectral pooling."""

from __future__ import annotations

import math

import pytest
import torch

from twofold.comparison.msra.dct import (
    FREQUENCIES,
    SpectralWeights,
    dct_bases,
    spectral_coefficients,
)
from twofold.training import local_generator


def literal(v: int, u: int, i: int, j: int) -> float:
    """B^{u,v}[i, j] on 7 x 7 as the release writes it."""

    def b(q: int, place: int) -> float:
        value = math.cos(math.pi * q * (place + 0.5) / 7) / math.sqrt(7)
        return value * math.sqrt(2) if q else value

    return b(v, i) * b(u, j)


def test_seven_by_seven_is_literally_the_release() -> None:
    bases = dct_bases(7, 7)
    assert bases.shape == (16, 7, 7)
    for k, (u, v) in enumerate(FREQUENCIES):
        for i in range(7):
            for j in range(7):
                assert float(bases[k, i, j]) == pytest.approx(literal(v, u, i, j), abs=1e-6)


def test_the_frequencies_are_those_of_msra() -> None:
    assert len(set(FREQUENCIES)) == 16
    assert FREQUENCIES[:4] == ((0, 0), (0, 1), (6, 0), (0, 5))
    assert FREQUENCIES[-2:] == ((2, 2), (3, 5))


@pytest.mark.parametrize(("h", "w"), [(7, 7), (8, 8), (10, 7), (14, 14), (20, 31)])
def test_bases_are_orthonormal(h: int, w: int) -> None:
    flat = dct_bases(h, w).flatten(1).double()
    torch.testing.assert_close(flat @ flat.T, torch.eye(16).double(), atol=1e-5, rtol=0)


@pytest.mark.parametrize(("h", "w"), [(1, 1), (2, 5), (4, 4), (5, 5), (6, 9)])
def test_small_maps_keep_unit_bases(h: int, w: int) -> None:
    flat = dct_bases(h, w).flatten(1)
    torch.testing.assert_close(flat.norm(dim=1), torch.ones(16), atol=1e-5, rtol=0)


@pytest.mark.parametrize(("h", "w"), [(7, 7), (5, 5), (3, 8), (14, 14)])
def test_basis_0_is_the_mean(h: int, w: int) -> None:
    """7 times the mean on 7 x 7."""
    maps = torch.randn(2, 3, h, w, generator=local_generator(0))
    coefficients = spectral_coefficients(maps)
    assert coefficients.shape == (2, 16, 3)
    torch.testing.assert_close(coefficients[:, 0], math.sqrt(h * w) * maps.mean(dim=(2, 3)))


def test_frequencies_grow_with_the_map() -> None:
    """Twice the side, twice the frequency: the same wave in pixels, as FcaNet scales it."""
    k = FREQUENCIES.index((0, 5))
    column = dct_bases(14, 14)[k, :, 0]
    wave = torch.cos(math.pi * 10 * (torch.arange(14) + 0.5) / 14)
    torch.testing.assert_close(column / column[0], wave / wave[0], atol=1e-5, rtol=0)


def test_u_runs_along_the_width() -> None:
    k = FREQUENCIES.index((0, 1))
    basis = dct_bases(7, 7)[k]
    torch.testing.assert_close(basis, basis[:, :1].expand(7, 7))
    assert not torch.allclose(basis, basis[:1].expand(7, 7))


def test_coefficients_are_inner_products() -> None:
    maps = torch.randn(2, 3, 7, 5, generator=local_generator(1))
    bases, found = dct_bases(7, 5), spectral_coefficients(maps)
    for n in range(2):
        for k in range(16):
            for c in range(3):
                assert float(found[n, k, c]) == pytest.approx(
                    float((maps[n, c] * bases[k]).sum()), abs=1e-5
                )


def test_weights() -> None:
    pooling = SpectralWeights(local_generator(3))
    expected = torch.randn(15, generator=local_generator(3))
    torch.testing.assert_close(pooling.logits.detach(), expected)
    rows = torch.randn(4, 16, 6, generator=local_generator(4))
    by_hand = rows[:, 0] + sum(torch.sigmoid(expected[i]) * rows[:, i + 1] for i in range(15))
    torch.testing.assert_close(pooling(rows), by_hand)
    assert torch.equal(SpectralWeights().logits, torch.zeros(15))
