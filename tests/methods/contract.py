"""What every method must do, as functions of its class; a new method is run through all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields, replace
from typing import Any, get_args

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from tests.support import toy

from twofold.encoders.encode import EncodedImages
from twofold.errors import (
    CollapseError,
    ConfigError,
    NotEnoughImagesError,
    NotFittedError,
    TwofoldError,
)
from twofold.methods import FitData, Method, Need, parse_config
from twofold.metrics import auroc

MethodClass = type[Method]
Array = NDArray[Any]

# Source and pool: as small as can be, alone and together.
_SIZES = ((0, 5), (1, 5), (2, 5), (3, 5), (5, 0), (5, 1), (5, 2), (5, 3), (5, 5), (2, 1), (2, 2))


def make(method: MethodClass, **options: Any) -> Method:
    return method(toy.encoder(), parse_config(method, toy.quick_options(method) | options))


def fitted(method: MethodClass, seed: int = 0, world: toy.Encoded | None = None) -> Method:
    data = toy.fit_data(method, world or toy.encoded_world())
    return make(method).fit(data, random_state=seed).model


def same(one: Array, other: Array) -> bool:
    return (
        one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()
    )


def changed(data: FitData, name: str, value: Any) -> FitData:
    changes: dict[str, Any] = {name: value}
    return replace(data, **changes)


def first(images: EncodedImages, n: int) -> EncodedImages:
    return images.subset(np.arange(n))


@contextmanager
def unchanged(data: FitData) -> Iterator[None]:
    """Assert that no array changes inside."""

    def arrays() -> list[Array]:
        found: list[Array] = []
        for field in fields(data):
            value = getattr(data, field.name)
            if isinstance(value, EncodedImages):
                # Rows made on demand are read: they must not have changed either.
                found += [*(array[:] for array in value.arrays.values()), value.kept]
            elif isinstance(value, np.ndarray):
                found.append(value)
        return found

    before = [array[:].copy() for array in arrays()]
    yield
    assert all(same(one, other[:]) for one, other in zip(before, arrays(), strict=True))


def check_declaration(method: MethodClass) -> None:
    assert method.summary
    assert "\n" not in method.summary
    assert method.needs <= set(get_args(Need))
    assert method.uses_labels() == ("target_labels" in method.needs)
    assert method.Config().outputs()
    assert method.Config().shot_outputs()
    # A default that asks for a second encoder would make every fit load one.
    assert method.Config().selection_encoder() is None


def check_scores(method: MethodClass) -> None:
    """Finite, not constant, float64, one per image, larger for anomalies."""
    world = toy.encoded_world()
    scores = fitted(method).score(world.test)
    assert scores.dtype == np.float64
    assert scores.shape == (len(world.test),)
    assert np.isfinite(scores).all()
    assert len(np.unique(scores)) > len(scores) / 2
    if method.id not in toy.WEAK:
        assert auroc(scores[world.test_labels == 0], scores[world.test_labels == 1]) > 0.75


def check_views(method: MethodClass) -> None:
    """Scores are means of the views, each image's its own; some methods have no views."""
    world = toy.encoded_world()
    fit = make(method).fit(toy.fit_data(method, world))
    model, own = fit.model, fit.out_of_sample
    scores, views = model.score_with_views(world.test)
    assert same(scores, model.score(world.test))
    assert views.shape == (len(scores), model.n_views())
    assert own.views.shape == (len(own.scores), model.n_views())
    assert model.score_with_views(first(world.test, 0))[1].shape == (0, model.n_views())
    if not model.n_views():
        return
    for mixed, parts in ((scores, views), (own.scores, own.views)):
        assert (parts.min(axis=1) - 1e-9 <= mixed).all()
        assert (mixed <= parts.max(axis=1) + 1e-9).all()
        weights = np.linalg.lstsq(parts, mixed)[0]
        np.testing.assert_allclose(parts @ weights, mixed, atol=1e-9)
        assert weights.sum() == pytest.approx(1.0)
    assert same(views[:7], model.score_with_views(first(world.test, 7))[1])


def check_maps(method: MethodClass) -> None:
    """Finite, on one scale, an image's its own, kept by saving; or a named error."""
    test, model = toy.encoded_world().test, make(method)
    if not model.config.has_maps():
        for ask in (lambda: model.anomaly_map(test), model.map_range):
            with pytest.raises(ConfigError, match="has no anomaly maps"):
                ask()
        return
    model = model.fit(toy.fit_data(method, toy.encoded_world())).model
    maps = model.anomaly_map(test)
    assert maps.dtype == np.float64
    assert maps.shape == (len(test), maps.shape[1], maps.shape[1])
    assert maps.shape[1] > 1
    assert np.isfinite(maps).all()
    low, high = model.map_range()
    assert low < high
    for size in (0, 1, 7, 33):
        assert same(maps[:size], model.anomaly_map(first(test, size)))
    restored = make(method).restore(model.state())
    assert same(maps, restored.anomaly_map(test))
    assert restored.map_range() == (low, high)


def check_random_state(method: MethodClass) -> None:
    """The same state gives the same bits whatever the global generators are at."""
    test = toy.encoded_world().test
    legacy = np.random.get_state()  # noqa: NPY002 - it must not matter
    try:
        results = []
        for other in (1, 2):
            np.random.seed(other)  # noqa: NPY002
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(other)
                before = torch.get_rng_state()
                results.append(fitted(method, seed=5).score(test))
                assert torch.equal(before, torch.get_rng_state())
            following = np.random.random()  # noqa: NPY002
            np.random.seed(other)  # noqa: NPY002
            assert following == np.random.random()  # noqa: NPY002
    finally:
        np.random.set_state(legacy)  # noqa: NPY002
    assert same(*results)


def check_refit(method: MethodClass) -> None:
    """Fitted on A and then on B, a method is what a fresh fit on B gives, and A's stays."""
    other = toy.encoded_world(1)
    first = fitted(method)
    before = first.score(other.test)
    again = first.fit(toy.fit_data(method, other), random_state=3).model
    fresh = fitted(method, seed=3, world=other)
    assert same(again.score(other.test), fresh.score(other.test))
    assert same(first.score(other.test), before)
    one, two = again.state(), fresh.state()
    assert one.keys() == two.keys()
    assert all(same(one[name], two[name]) for name in one)


def check_settled(method: MethodClass) -> None:
    """A fit that is told what it would settle anyway, and of things it knows nothing of."""
    world = toy.encoded_world()
    data = toy.fit_data(method, world)
    plain = make(method).fit(data)
    told = replace(data, settled={**plain.diagnostics.choices, "unheard_of": 0.5})
    again = make(method).fit(told)
    assert again.diagnostics.choices == plain.diagnostics.choices
    assert same(again.model.score(world.test), plain.model.score(world.test))
    assert same(again.out_of_sample.scores, plain.out_of_sample.scores)


def check_failed_refit(method: MethodClass) -> None:
    """A fit that fails leaves the earlier one as it was, or none where there was none."""
    test = toy.encoded_world().test
    data = toy.fit_data(method, copies(toy.encoded_world()))
    model, fresh = fitted(method), make(method)
    before, scores = model.state(), model.score(test)
    for one in (model, fresh):
        with pytest.raises(TwofoldError):
            one.fit(data, watch=lambda score: None)
        assert one._watch is None
    assert same(model.score(test), scores)
    assert all(same(model.state()[name], before[name]) for name in before)
    with pytest.raises(NotFittedError):
        fresh.score(test)


def check_state(method: MethodClass) -> None:
    """The arrays and the configuration are all a fit consists of."""
    test = toy.encoded_world().test
    model = fitted(method)
    config = parse_config(method, model.config.model_dump(mode="json"))
    assert config == model.config
    state = {name: np.array(array, order="C") for name, array in model.state().items()}
    # Products round by the layout in memory, and a saved model has this one.
    assert all(array.flags.c_contiguous for array in model.state().values())
    restored = method(toy.encoder(), config).restore(state)
    assert same(model.score(test), restored.score(test))
    again = restored.state()
    assert state.keys() == again.keys()
    assert all(same(state[name], again[name]) for name in state)
    for name, array in state.items():
        with pytest.raises(ConfigError):
            make(method).restore({k: v for k, v in state.items() if k != name})
        if array.ndim:
            with pytest.raises(ConfigError):
                make(method).restore(state | {name: np.concatenate([array, array])})
    with pytest.raises(ConfigError):
        make(method).restore(state | {"unheard_of": np.zeros(3)})


def check_inputs(method: MethodClass) -> None:
    world = toy.encoded_world()
    data = toy.fit_data(method, world)
    with unchanged(data), unchanged(FitData(source=world.test)):
        fit = make(method).fit(data)
        assert len(fit.out_of_sample.scores)
        fit.model.score(world.test)


def check_rows(method: MethodClass) -> None:
    """An image's score does not depend on the images beside it."""
    test = toy.encoded_world().test
    model = fitted(method)
    whole = model.score(test)
    assert same(whole, model.score(test))
    alone = [model.score(test.subset(np.array([i]))) for i in range(len(test))]
    assert same(whole, np.concatenate(alone))
    for size in (2, 3, 7, 16, 33):
        assert same(whole[:size], model.score(first(test, size)))
    order = np.random.default_rng(0).permutation(len(test))
    assert same(whole[order], model.score(test.subset(order)))
    many = np.resize(order, 300)
    assert same(whole[many], model.score(test.subset(many)))


def check_empty(method: MethodClass) -> None:
    scores = fitted(method).score(first(toy.encoded_world().test, 0))
    assert scores.shape == (0,)
    assert scores.dtype == np.float64


def check_unfitted(method: MethodClass) -> None:
    world = toy.encoded_world()
    model = make(method)
    for use in (
        lambda: model.score(world.test),
        lambda: model.score(first(world.test, 0)),
        model.state,
    ):
        with pytest.raises(NotFittedError, match="its fit returns a model that is"):
            use()


def check_needs(method: MethodClass) -> None:
    """Exactly what is declared is accepted, no less and no more."""
    world = toy.encoded_world()
    data = toy.fit_data(method, world)
    for need in get_args(Need):
        if need in method.needs:
            with pytest.raises(ConfigError, match=f"needs {need}"):
                make(method).fit(changed(data, need, None))
            given = getattr(data, need)
            if isinstance(given, EncodedImages):
                with pytest.raises(NotEnoughImagesError, match=need):
                    make(method).fit(changed(data, need, first(given, 0)))
        else:
            extra: Any = world.pool_labels if need == "target_labels" else world.pool
            with pytest.raises(ConfigError, match=f"must not see {need}"):
                make(method).fit(changed(data, need, extra))
    with pytest.raises(ConfigError, match="must not see target_selection"):
        make(method).fit(changed(data, "target_selection", world.pool))
    if method.uses_labels():
        for bad in (world.pool_labels[1:], world.pool_labels + 1, world.pool_labels[:, None]):
            with pytest.raises(ConfigError, match="one 0 or 1 for each"):
                make(method).fit(replace(data, target_labels=bad))


def check_small(method: MethodClass) -> None:
    """Few images give a result or a named error."""
    world = toy.encoded_world()
    for n_source, n_pool in _SIZES:
        small = replace(
            world,
            source=first(world.source, n_source),
            pool=first(world.pool, n_pool),
            pool_labels=world.pool_labels[:n_pool],
        )
        result_or_named_error(method, small, cross_fitted=True)
    one = replace(world, source=first(world.source, 1))
    with pytest.raises(NotEnoughImagesError, match="at least 2 images, got 1"):
        make(method).fit(toy.fit_data(method, one))


def result_or_named_error(
    method: MethodClass, world: toy.Encoded, *, cross_fitted: bool = False
) -> None:
    message = ""
    try:
        data = toy.fit_data(method, world)
        fit = make(method).fit(data)
        assert np.isfinite(fit.model.score(world.test)).all()
        if cross_fitted:
            assert np.isfinite(fit.out_of_sample.scores).all()
    except TwofoldError as error:
        message = str(error)
    assert len(message.splitlines()) <= 1


def copies(world: toy.Encoded) -> toy.Encoded:
    """Every image the same as the first source image."""

    def repeat(images: EncodedImages) -> EncodedImages:
        return world.source.subset(np.zeros(len(images), dtype=np.intp))

    return replace(world, source=repeat(world.source), pool=repeat(world.pool))


def check_copies(method: MethodClass) -> None:
    """Nothing can be learnt from copies of one image, and that is said."""
    world = toy.encoded_world()
    same_all = copies(world)
    with pytest.raises((CollapseError, NotEnoughImagesError)):
        make(method).fit(toy.fit_data(method, same_all))
    result_or_named_error(method, replace(world, pool=same_all.pool), cross_fitted=True)
    result_or_named_error(method, replace(world, source=same_all.source), cross_fitted=True)
    flat = [
        replace(images, arrays={name: np.zeros_like(a[:]) for name, a in images.arrays.items()})
        for images in (world.source, world.pool)
    ]
    with pytest.raises(TwofoldError):
        make(method).fit(toy.fit_data(method, replace(world, source=flat[0], pool=flat[1])))


def check_options(method: MethodClass) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_config(method, {"no_such_option": 1})
    message = str(caught.value)
    assert "no_such_option" in message
    assert method.id in message
    assert len(message.splitlines()) == 1
    assert all(name in message for name in method.Config.model_fields)
    assert parse_config(method, {}) == method.Config()


def check_reference(method: MethodClass) -> None:
    """Reference scores are finite and come from fits that did not see what they score.

    Change one image: the scores of the images held out with it stay as they are, those of the
    others move; and a copy of an image held out with it gets that image's score.
    """
    world = toy.encoded_world()
    data = toy.fit_data(method, world)
    fit = make(method).fit(data)
    before = fit.out_of_sample
    name = "source" if before.origin == "source" else "target_pool"
    images: EncodedImages = getattr(data, name)
    assert before.scores.dtype == np.float64
    assert before.scores.shape == (len(images),)
    assert np.isfinite(before.scores).all()
    assert same(before.scores, make(method).fit(data).out_of_sample.scores)
    inside = fit.model.score(images)
    assert (before.scores != inside).mean() > 0.9
    row = int(np.argmin(inside))

    def with_copy_of(other: int) -> Array:
        index = np.arange(len(images))
        index[row] = other
        # Under the digests of before, as copies that are known would change the folds.
        copied = replace(images.subset(index), digests=images.digests, originals=None)
        other_data = changed(data, name, copied)
        return make(method).fit(other_data).out_of_sample.scores

    index = np.arange(len(images))
    moved = with_copy_of(int(np.argsort(inside)[len(inside) // 2]))
    untouched = index[(index != row) & (moved == before.scores)]
    assert len(untouched) < len(images) - 1
    if len(untouched):  # None when the method leaves one out at a time.
        beside = int(untouched[0])
        assert with_copy_of(beside)[row] == before.scores[beside]


def check_groups(method: MethodClass) -> None:
    """Images of one group are held out together: a copy gets the score of what it copies."""
    data = toy.fit_data(method, toy.encoded_world())
    origin = make(method).fit(data).out_of_sample.origin
    name = "source" if origin == "source" else "target_pool"
    images: EncodedImages = getattr(data, name)
    index = np.arange(len(images))
    index[-5:] = index[:5]
    copied = changed(data, name, images.subset(index))
    found = make(method).fit(copied).out_of_sample
    assert found.origin == origin
    assert found.groups.shape == (len(images),)
    assert same(found.groups[-5:], found.groups[:5])
    assert len(np.unique(found.groups)) == len(images) - 5
    assert same(found.scores[-5:], found.scores[:5])
    # What the user calls a group is kept together too, and nothing else is.
    given = replace(images, groups=np.arange(len(images)) // 2)
    paired = changed(data, name, given)
    assert same(make(method).fit(paired).out_of_sample.groups, given.grouping())


CHECKS: dict[str, Callable[[MethodClass], None]] = {
    name.removeprefix("check_"): check
    for name, check in dict(globals()).items()
    if name.startswith("check_")
}
