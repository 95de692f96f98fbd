"""BiOST: networks, two phases with selective backpropagation, and what is detected behind them."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from tests.methods.contract import CHECKS
from tests.support import toy
from torch import Tensor, nn

from twofold.densities import unit_rows
from twofold.encoders import pixels as pixels_module
from twofold.errors import ConfigError
from twofold.methods import METHODS, _biost_training, _checkpoint, biost, parse_config
from twofold.methods._biost_networks import Domain, Translator, decoder, encoder
from twofold.methods._biost_training import (
    Recipe,
    first_loss,
    load_side,
    random_view,
    rate_at,
    second_losses,
    selective_step,
)
from twofold.methods._pixels import resized
from twofold.methods.biost import Biost, BiostConfig
from twofold.training import local_generator

QUICK: dict[str, Any] = {
    "ngf": 2,
    "residual_blocks": 0,
    "translation_epochs": 1,
    "decay_epochs": 0,
    "epoch_images": 2,
    "translation_side": 32,
    "views": 4,
    "trees": 20,
}


class BackConfig(BiostConfig):
    detection: Any = "map_back"


class Back(Biost):
    Config = BackConfig


class ReconConfig(BiostConfig):
    detection: Any = "recon"


class Recon(Biost):
    Config = ReconConfig


class ForestConfig(BiostConfig):
    one_class: Any = "forest"
    trees: int = 20


class WithForest(Biost):
    Config = ForestConfig


@pytest.mark.parametrize("check", ["random_state", "refit", "state", "inputs", "rows", "empty"])
@pytest.mark.parametrize("method", [Back, Recon, WithForest])
def test_the_contract_of_other_detections(method: type[Biost], check: str) -> None:
    CHECKS[check](method)


# ---- networks


def layers(network: nn.Module) -> list[nn.Module]:
    return [layer for layer in network.modules() if not list(layer.children())]


def names(network: nn.Module) -> list[str]:
    return [type(layer).__name__ for layer in layers(network)]


NORM = ["InstanceNorm2d", "ReLU"]
RESIDUAL = ["ReflectionPad2d", "Conv2d", *NORM, "ReflectionPad2d", "Conv2d", "InstanceNorm2d"]


@pytest.mark.parametrize("blocks", [1, 4])
def test_an_encoder(blocks: int) -> None:
    network = encoder(8, blocks, local_generator(0))
    wanted = ["ReflectionPad2d", *(["Conv2d", *NORM] * 3), *(RESIDUAL * blocks)]
    assert names(network) == wanted
    shapes = [
        (layer.in_channels, layer.out_channels, layer.kernel_size[0], layer.stride[0])
        for layer in layers(network)
        if isinstance(layer, nn.Conv2d)
    ]
    assert shapes == [(3, 8, 7, 1), (8, 16, 3, 2), (16, 32, 3, 2), *([(32, 32, 3, 1)] * 2 * blocks)]
    assert [pad.padding[0] for pad in layers(network) if isinstance(pad, nn.ReflectionPad2d)] == [
        3,
        *([1] * 2 * blocks),
    ]
    assert network(torch.zeros(2, 3, 32, 32)).shape == (2, 32, 8, 8)


def test_a_decoder() -> None:
    network = decoder(8, 4, local_generator(0))
    up = ["ConvTranspose2d", *NORM]
    assert names(network) == [*(RESIDUAL * 4), *up, *up, "ReflectionPad2d", "Conv2d", "Tanh"]
    shapes = [
        (layer.in_channels, layer.out_channels, layer.kernel_size[0], layer.stride[0])
        for layer in layers(network)
        if isinstance(layer, nn.ConvTranspose2d)
    ]
    assert shapes == [(32, 16, 3, 2), (16, 8, 3, 2)]
    image = network(torch.randn(2, 32, 8, 8, generator=local_generator(0)))
    assert image.shape == (2, 3, 32, 32)
    assert float(image.detach().abs().max()) < 1


def test_normalisation_has_no_parameters_and_no_memory() -> None:
    network = Domain(8, 2, local_generator(0))
    found = [m for m in network.modules() if isinstance(m, nn.InstanceNorm2d)]
    assert found
    assert not any(m.affine or m.track_running_stats for m in found)
    weights = torch.cat(
        [p.detach().flatten() for n, p in network.named_parameters() if "weight" in n]
    )
    assert float(weights.std()) == pytest.approx(0.02, rel=0.02)
    assert all((p == 0).all() for n, p in network.named_parameters() if "bias" in n)


def test_residual_blocks_add() -> None:
    network = encoder(2, 1, local_generator(0))
    images = torch.randn(1, 3, 16, 16, generator=local_generator(1))
    before = network[:-1](images)
    residual: Any = network[-1]
    change = residual.layers(before)
    torch.testing.assert_close(network(images), before + change)


# ---- losses and steps


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


def moved(before: nn.Module, after: nn.Module) -> bool:
    pairs = zip(before.state_dict().values(), after.state_dict().values(), strict=True)
    return any(not torch.equal(one, other) for one, other in pairs)


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

    monkeypatch.setattr(_biost_training, "second_losses", recorded)
    start.append(biost.untrained(BiostConfig(**QUICK), 0))
    assert not moved(start[0].a, start[0].b)
    toy.fit("biost", toy.encoded_world(), **QUICK)
    assert seen == [(True, False), (True, True)]


def test_the_losses_fall() -> None:
    options = QUICK | {"ngf": 4, "translation_epochs": 3, "epoch_images": 15}
    model = toy.fit("biost", toy.encoded_world(), **options, translation_rate=2e-3)
    for phase in model.losses_:
        assert len(phase) == 3
        assert phase[-1] < 0.9 * phase[0]


# ---- views


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

        monkeypatch.setattr(_biost_training, "random_view", recorded)
        toy.fit("biost", toy.encoded_world(), **QUICK, shot_augmentation=views)
        calls[views] = len(seen)
    # Two steps of each phase: of the source in both, of the shot in the second.
    assert calls == {"release": 6, "article": 2}


# ---- detection


def test_the_head_knows_translations_and_views_of_the_first_shot(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    encoded: list[NDArray[np.uint8]] = []

    def recorded(encoder: Any, images: NDArray[np.uint8], output: str) -> Any:
        encoded.append(images)
        return pixels_module.encode_pixels(encoder, images, output)

    monkeypatch.setattr(biost, "encode_pixels", recorded)
    monkeypatch.setattr("twofold.methods._pixels.encode_pixels", recorded)
    world = toy.encoded_world()
    model = toy.fit("biost", world, **QUICK)
    views, translated = encoded
    assert views.shape == (4, 32, 32, 3)
    source = resized(world.source["pixels"][:], 32)
    np.testing.assert_array_equal(translated, biost.translate(model.translator_, source))
    features = [pixels_module.encode_pixels(toy.encoder(), part, "pooled") for part in encoded]
    halves = [unit_rows(part).mean(axis=0) for part in features]
    # Views weigh as much as translations.
    np.testing.assert_allclose(model.head_.mean, np.mean(halves, axis=0), atol=1e-6)
    rows = unit_rows(world.test["pooled"])
    wanted = ((rows - model.head_.mean) ** 2).sum(axis=1)
    np.testing.assert_allclose(model.score(world.test), wanted)


def test_only_the_first_shot_is_used() -> None:
    world = toy.encoded_world()
    assert world.shots is not None
    scores = []
    for rows in ([0, 1, 2, 3, 4], [0], [1]):
        some = replace(world, shots=world.shots.subset(np.array(rows)))
        scores.append(toy.fit("biost", some, **QUICK).score(world.test))
    np.testing.assert_array_equal(scores[0], scores[1])
    assert not np.allclose(scores[0], scores[2])


def test_mapped_back_images_meet_the_source() -> None:
    world = toy.encoded_world()
    model = toy.fit("biost", world, **QUICK, detection="map_back")
    source = unit_rows(world.source["pooled"])
    np.testing.assert_allclose(model.head_.mean, source.mean(axis=0), atol=1e-4)
    small = resized(world.test["pixels"][:3], 32)
    back = biost.translate(model.translator_, small, "a", "b")
    features = unit_rows(pixels_module.encode_pixels(toy.encoder(), back, "pooled"))
    wanted = ((features - model.head_.mean) ** 2).sum(axis=1)
    np.testing.assert_allclose(model.score(world.test)[:3], wanted, rtol=1e-5)


def test_reconstruction_errors() -> None:
    world = toy.encoded_world()
    model = toy.fit("biost", world, **QUICK, detection="recon")
    small = resized(world.test["pixels"][:5], 32)
    made = biost.translate(model.translator_, small, "a", "a")
    wanted = np.abs(made.astype(float) - small).mean(axis=(1, 2, 3)) / 127.5
    np.testing.assert_allclose(model.score(world.test)[:5], wanted, atol=0.004)
    assert not hasattr(model, "head_")


def test_what_is_saved() -> None:
    world = toy.encoded_world()
    parts = {}
    for detection in ("translate", "map_back", "recon"):
        state = toy.fit("biost", world, **QUICK, detection=detection).state()
        parts[detection] = {name.split(".")[0] for name in state}
    assert parts == {"translate": {"head"}, "map_back": {"head", "path"}, "recon": {"path"}}


def test_what_it_reads() -> None:
    wanted = {"translate": ("pooled", "pixels"), "map_back": ("pixels",), "recon": ("pixels",)}
    for detection, outputs in wanted.items():
        config: Any = parse_config(Biost, {"detection": detection})
        assert Biost.outputs(config) == outputs
        assert Biost.shot_outputs(config) == ("pixels",)


def test_it_ranks_worlds_whose_shot_is_usual() -> None:
    options = QUICK | {"ngf": 4, "epoch_images": 30, "translation_rate": 2e-3}
    areas = [toy.area(toy.fit("biost", w, **options), w) for w in map(toy.encoded_world, (1, 2))]
    assert np.mean(areas) > 0.85


def test_options_change_the_result() -> None:
    world = toy.encoded_world()
    variants: list[dict[str, Any]] = [
        {},
        {"one_class": "forest"},
        {"detection": "map_back"},
        {"detection": "recon"},
        {"views": 5},
        {"translation_side": 64},
        {"ngf": 3},
        {"residual_blocks": 1},
        {"translation_epochs": 2},
        {"decay_epochs": 1},
        {"epoch_images": 3},
        {"translation_rate": 1e-3},
        {"energy_weight": 0.5},
        {"latent_cycle_weight": 0.5},
        {"latent_cycle_weight": 0.5, "latent_distance": "absolute"},
        {"shot_augmentation": "article"},
    ]
    scores = [toy.fit("biost", world, **QUICK | options).score(world.test) for options in variants]
    for i, one in enumerate(scores):
        for other in scores[:i]:
            assert not np.array_equal(one, other)


def test_the_threshold_rests_on_the_source() -> None:
    world = toy.encoded_world()
    model = toy.fit("biost", world, **QUICK)
    reference = model.reference(toy.fit_data(METHODS.load("biost"), world))
    assert reference.origin == "source"
    assert len(reference.scores) == len(world.source)


# ---- translations, progress, interruption


def test_translations_before_and_after() -> None:
    world = toy.encoded_world()
    options = QUICK | {"ngf": 4, "epoch_images": 40, "translation_rate": 2e-3}
    model = toy.fit("biost", world, **options)
    source = resized(world.source["pixels"][:6], 32)
    before = biost.translate(biost.untrained(model.config, 0), source)
    after = biost.translate(model.translator_, source)
    assert before.shape == after.shape == source.shape
    assert before.dtype == after.dtype == np.uint8
    assert world.shots is not None
    style = world.shots["pixels"][:1].astype(float).mean(axis=(0, 1, 2))

    def away(images: NDArray[np.uint8]) -> float:
        return float(np.abs(images.mean(axis=(0, 1, 2)) - style).sum())

    assert away(after) < away(before)
    assert away(after) < away(source)
    np.testing.assert_array_equal(biost.translate(model.translator_, source[2:3])[0], after[2])
    rebuilt = biost.translate(model.translator_, source, "b", "b")
    assert not np.array_equal(rebuilt, after)


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
    monkeypatch.setattr(_checkpoint, "_SECONDS_BETWEEN_SAVES", 0.0)
    whole, _ = run({"detection": "recon"})
    kept = {"detection": "recon", "checkpoint": str(tmp_path)}
    with pytest.raises(KeyboardInterrupt):
        run(kept, stop)
    resumed, rest = run(kept)
    assert rest == list(range(stop - 1, 9))
    assert resumed.losses_ == whole.losses_
    assert not moved(whole.translator_, resumed.translator_)
    one, other = whole.state(), resumed.state()
    assert all(one[name].tobytes() == other[name].tobytes() for name in one)
    finished, rest = run(kept)
    assert not rest
    assert not moved(whole.translator_, finished.translator_)


def test_another_seed_has_another_checkpoint(tmp_path: Path) -> None:
    world = toy.encoded_world()
    first = toy.fit("biost", world, 0, **QUICK, checkpoint=str(tmp_path))
    second = toy.fit("biost", world, 1, **QUICK, checkpoint=str(tmp_path))
    assert len(list(tmp_path.iterdir())) == 4  # Two phases of two fits.
    assert moved(first.translator_, second.translator_)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"detection": "gan"}, "option detection"),
        ({"one_class": "svm"}, "option one_class"),
        ({"translation_side": 50}, "option translation_side"),
        ({"translation_epochs": 0}, "option translation_epochs"),
        ({"translation_rate": 0}, "option translation_rate"),
        ({"latent_distance": "l3"}, "option latent_distance"),
    ],
)
def test_impossible_options(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        parse_config(METHODS.load("biost"), options)
    assert len(str(caught.value).splitlines()) == 1
