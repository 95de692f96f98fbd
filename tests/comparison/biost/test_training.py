"""BiOST: losses, two phases with selective backpropagation, views, interruption."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from tests.comparison.biost.cases import QUICK, moved
from tests.support import toy
from torch import Tensor

from twofold.comparison import checkpoint
from twofold.comparison.biost import method as biost
from twofold.comparison.biost import training as biost_training
from twofold.comparison.biost.method import BiostConfig
from twofold.comparison.biost.networks import Domain, Translator
from twofold.comparison.biost.training import (
    Recipe,
    first_loss,
    load_side,
    random_view,
    rate_at,
    second_losses,
    selective_step,
)
from twofold.method_table import METHODS
from twofold.methods import parse_config
from twofold.training import local_generator


def recipe(**changes: Any) -> Recipe:
    whole = Recipe(16, 3, 2, None, 0.01, 0.001, 0.001, "squared", "release")
    return replace(whole, **changes)


def pair() -> tuple[Translator, Tensor, Tensor]:
    networks = Translator(2, 1, local_generator(0))
    for parameter in networks.a.parameters():
        torch.nn.init.normal_(parameter, std=0.1, generator=local_generator(1))
    generator = local_generator(2)
    return networks, *(torch.rand(1, 3, 16, 16, generator=generator) * 2 - 1 for _ in "as")  # type: ignore[return-value]


def test_the_losses_are_those_written_down() -> None:
    """Each term by itself, every network called anew."""
    networks, a, s = pair()
    one, many = networks.a, networks.b

    def l1(x: Tensor, y: Tensor) -> Tensor:
        return (x - y).abs().mean()

    around_a = one.decoder(many.encoder(many.decoder(one.encoder(a))))
    around_s = many.decoder(one.encoder(one.decoder(many.encoder(s))))
    z = many.encoder(s)
    back = one.encoder(one.decoder(z))
    for kind, latent in (("squared", ((back - z) ** 2).mean()), ("absolute", l1(back, z))):
        wanted_a = l1(one.decoder(one.encoder(a)), a) + l1(around_a, a)
        wanted_a = wanted_a + 0.5 * (one.encoder(a) ** 2).mean() + 0.25 * latent
        wanted_b = l1(many.decoder(z), s) + l1(around_s, s) + 0.5 * (z**2).mean()
        weights = recipe(energy=0.5, latent_cycle=0.25, latent_distance=kind)
        loss_a, loss_b = second_losses(networks, a, s, weights)
        torch.testing.assert_close(loss_a, wanted_a)
        torch.testing.assert_close(loss_b, wanted_b)
    wanted = l1(many.decoder(z), s) + 0.5 * (z**2).mean()
    torch.testing.assert_close(first_loss(many, s, recipe(energy=0.5)), wanted)


@pytest.mark.parametrize("which", ["a", "b"])
def test_selective_backpropagation(which: str) -> None:
    """A's loss goes through B's networks, and its optimiser leaves them as they are."""
    networks, a, s = pair()
    before = copy.deepcopy(networks)
    losses = dict(zip("ab", second_losses(networks, a, s, recipe()), strict=True))
    module = {"a": networks.a, "b": networks.b}[which]
    selective_step([losses[which]], [module], [torch.optim.Adam(module.parameters(), 0.01)])
    assert moved(before.a, networks.a) == (which == "a")
    assert moved(before.b, networks.b) == (which == "b")
    assert all(parameter.grad is None for parameter in networks.parameters())


def test_both_step_from_where_they_stood() -> None:
    """Together each moves as it would alone: neither sees the other's step."""
    together, a, s = pair()
    alone = {name: copy.deepcopy(together) for name in "ab"}
    modules = [together.a, together.b]
    selective_step(
        second_losses(together, a, s, recipe()),
        modules,
        [torch.optim.Adam(module.parameters(), 0.01) for module in modules],
    )
    for index, (name, networks) in enumerate(alone.items()):
        module = modules_of(networks)[name]
        loss = second_losses(networks, a, s, recipe())[index]
        selective_step([loss], [module], [torch.optim.Adam(module.parameters(), 0.01)])
        assert not moved(module, modules_of(together)[name])


def modules_of(networks: Translator) -> dict[str, Domain]:
    return {"a": networks.a, "b": networks.b}


def test_the_rate_is_constant_and_then_falls() -> None:
    rates = [rate_at(epoch, recipe(epochs=3, decay_epochs=4)) for epoch in range(7)]
    assert rates == pytest.approx([0.01] * 3 + [0.008, 0.006, 0.004, 0.002])
    assert rate_at(2, recipe(decay_epochs=0)) == 0.01


def test_a_starts_from_b(monkeypatch: pytest.MonkeyPatch) -> None:
    """In phase I only B trains, with its own loss; phase II begins with equal networks."""
    seen: list[tuple[bool, bool]] = []
    start: list[Translator] = []

    def recorded(networks: Translator, a: Tensor, s: Tensor, weights: Recipe) -> Any:
        seen.append((moved(start[0].b, networks.b), moved(networks.a, networks.b)))
        return second_losses(networks, a, s, weights)

    monkeypatch.setattr(biost_training, "second_losses", recorded)
    start.append(biost.untrained(BiostConfig(**QUICK), 0))
    assert not moved(start[0].a, start[0].b)
    toy.fit("biost", toy.encoded_world(), **QUICK)
    assert seen == [(True, False), (True, True)]


@pytest.mark.slow
def test_the_losses_fall() -> None:
    options = QUICK | {"ngf": 4, "translation_epochs": 3, "epoch_images": 15}
    fit = toy.fitting("biost", toy.encoded_world(), **options, translation_rate=2e-3)
    for phase in fit.diagnostics.losses.values():
        assert len(phase) == 3
        assert phase[-1] < 0.9 * phase[0]


def image(side: int) -> NDArray[np.uint8]:
    """Red grows to the right, green downwards."""
    ramp = np.linspace(20, 220, side).astype(np.uint8)
    pixels = np.zeros((side, side, 3), dtype=np.uint8)
    pixels[..., 0], pixels[..., 1] = ramp[None], ramp[:, None]
    return pixels


def test_views_turn_a_little_shift_and_perhaps_flip() -> None:
    assert [load_side(side) for side in (256, 128, 64, 32)] == [286, 143, 72, 36]
    found: dict[str, list[float]] = {}
    for views in ("release", "article"):
        generator = np.random.default_rng(0)
        made = [random_view(image(72), 64, views, generator) for _ in range(60)]
        assert all(view.shape == (64, 64, 3) and view.dtype == np.uint8 for view in made)
        assert len({view.tobytes() for view in made}) == 60
        # Nothing black turns in.
        assert all(view[..., :2].min() >= 15 for view in made)
        rightwards = [float(view[:, -1, 0].mean()) > float(view[:, 0, 0].mean()) for view in made]
        found[views] = [float(np.mean(rightwards))]
        for view in made:
            falls = view[..., 1].astype(float).mean(axis=1)
            assert falls[-1] - falls[0] > 120
        found[views].append(float(np.std([view[..., 1].mean() for view in made])))
    assert 0.3 < found["release"][0] < 0.7
    assert found["article"][0] == 1.0
    assert found["article"][1] < found["release"][1]  # It does not shift up and down.


def test_the_article_augments_the_shot_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: dict[str, int] = {}
    for views in ("release", "article"):
        seen: list[int] = []

        def recorded(*given: Any, seen: list[int] = seen) -> Any:
            seen.append(1)
            return random_view(*given)

        monkeypatch.setattr(biost_training, "random_view", recorded)
        toy.fit("biost", toy.encoded_world(), **QUICK, shot_augmentation=views)
        calls[views] = len(seen)
    # Two steps of each phase: of the source in both, of the shot in the second.
    assert calls == {"release": 6, "article": 2}


def run(options: dict[str, Any], stop: int | None = None) -> tuple[Any, list[int]]:
    method = METHODS.load("biost")
    config = parse_config(method, QUICK | {"translation_epochs": 2} | options)
    data = toy.fit_data(method, toy.encoded_world(), config)
    seen: list[int] = []

    def progress(done: int, total: int) -> None:
        assert total == 8
        seen.append(done)
        if done == stop:
            raise KeyboardInterrupt

    model = method(toy.encoder(), config)
    return model.fit(data, random_state=3, progress=progress), seen


def test_progress_counts_the_steps_of_both_phases() -> None:
    assert run({})[1] == list(range(1, 9))


@pytest.mark.parametrize("stop", [4, 6, 8])
def test_an_interrupted_training_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stop: int
) -> None:
    """Two epochs of two steps in each phase; stopped in one, it begins that one again."""
    monkeypatch.setattr(checkpoint, "SECONDS_BETWEEN_SAVES", 0.0)
    whole, _ = run({"detection": "recon"})
    kept = {"detection": "recon", "checkpoint": str(tmp_path)}
    with pytest.raises(KeyboardInterrupt):
        run(kept, stop)
    resumed, rest = run(kept)
    assert rest == list(range(stop - 1, 9))
    assert resumed.diagnostics.losses == whole.diagnostics.losses
    assert not moved(whole.diagnostics.networks, resumed.diagnostics.networks)
    one, other = whole.model.state(), resumed.model.state()
    assert all(one[name].tobytes() == other[name].tobytes() for name in one)
    finished, rest = run(kept)
    assert not rest
    assert not moved(whole.diagnostics.networks, finished.diagnostics.networks)


def test_another_seed_has_another_checkpoint(tmp_path: Path) -> None:
    world = toy.encoded_world()
    first = toy.fitting("biost", world, 0, **QUICK, checkpoint=str(tmp_path))
    second = toy.fitting("biost", world, 1, **QUICK, checkpoint=str(tmp_path))
    assert len(list(tmp_path.iterdir())) == 4  # Two phases of two fits.
    assert moved(first.diagnostics.networks, second.diagnostics.networks)
