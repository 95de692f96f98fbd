"""Options that change a method's course keep its contract; impossible ones are named."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
from tests.methods.contract import CHECKS
from tests.support import toy

from twofold.errors import ConfigError
from twofold.method_table import METHODS
from twofold.methods import Method, parse_config

Options = dict[str, Any]

VARIANTS: dict[str, tuple[str, Options]] = {
    "psi self": ("paper", {"recipe": "as_printed", "psi": "self"}),
    "gmm": ("paper", {"selector": "gmm"}),
    "chosen K": ("paper", {"n_clusters": "auto"}),
    "refined": (
        "paper",
        {"n_clusters": 5, "merge_cosine": 0.9, "trim_dominant": 0.1, "weigh_negatives": True},
    ),
    "farthest": ("paper", {"negatives": "farthest", "negative_share": 0.2, "debias": 0.2}),
    "infonce": ("paper", {"alignment": "infonce"}),
    "sphere": (
        "paper",
        {"recipe": "as_printed", "geometry": "sphere", "center_before_cosine": True, "alpha": 2.0},
    ),
    "projection": ("paper", {"training": {"head": "projection", "head_dim": 20}}),
    "joint": ("paper", {"recipe": "as_printed", "training": {"batch_norm": "joint"}}),
    "separate": ("paper", {"recipe": "as_printed", "training": {"batch_norm": "separate"}}),
    "center epoch": ("source_only", {"center": "epoch"}),
    "center ema": ("source_only", {"center": "ema"}),
    "center batch": ("source_only", {"center": "batch"}),
    "classifier": ("oracle", {"mode": "classifier"}),
    "cosine": ("frozen_source", {"scoring": "cosine"}),
    "neighbours": ("frozen_source", {"scoring": "knn"}),
    "moco": ("paper_few_shot", {"augmentation": "moco"}),
}
# What an option could break; needs, sizes and the like are those of the method.
CHECKED = ("scores", "random_state", "refit", "state", "inputs", "reference")
# A list of neighbours has no length of its own: twice as long, it is another fit.
LEFT_OUT = {("neighbours", "state")}


def together(one: Options, other: Options) -> Options:
    both = one | other
    if "training" in one and "training" in other:
        both["training"] = one["training"] | other["training"]
    return both


@pytest.mark.slow
@pytest.mark.parametrize(
    ("variant", "check"),
    [pair for pair in product(VARIANTS, CHECKED) if pair not in LEFT_OUT],
)
def test_contract(variant: str, check: str, monkeypatch: pytest.MonkeyPatch) -> None:
    name, options = VARIANTS[variant]
    quick = toy.quick_options

    def of_the_variant(method: type[Method]) -> Options:
        return together(quick(method), options)

    monkeypatch.setattr(toy, "quick_options", of_the_variant)
    CHECKS[check](METHODS.load(name))


@pytest.mark.slow
@pytest.mark.parametrize("alignment", ["contrastive", "infonce", "mmd", "grl"])
def test_each_alignment_gives_another_result(alignment: str) -> None:
    world, head = toy.clouds(), {"trainable": "head"}
    scores = toy.printed_fit("paper", world, alignment=alignment, training=head).score(world.test)
    for other in ("contrastive", "infonce", "mmd", "grl", "none"):
        weight = 0.0 if other == "none" else 0.1
        name = "contrastive" if other == "none" else other
        options: Options = {"alignment": name, "lambda_uda": weight, "training": head}
        same = (toy.printed_fit("paper", world, **options).score(world.test) == scores).all()
        assert same == (other == alignment), other


@pytest.mark.parametrize("alignment", ["contrastive", "infonce", "mmd"])
def test_the_loss_of_each_alignment_falls(alignment: str) -> None:
    options: Options = {"alignment": alignment, "lambda_ad": 0, "training": {"trainable": "head"}}
    losses = toy.losses("paper", toy.clouds(), **options)
    assert losses[-1] < min(losses[:3])


@pytest.mark.parametrize(
    "options",
    [
        {"temperature": 0.3},
        {"alpha": 2.0},
        {"debias": 0.3},
        {"weigh_negatives": True},
        {"center_before_cosine": True},
        {"trim_dominant": 0.3},
        {"negatives": "farthest"},
        {"n_clusters": 4},
        {"n_clusters": 4, "merge_cosine": 0.5},
        {"geometry": "sphere"},
        {"center": "epoch"},
    ],
    ids=str,
)
def test_each_option_has_an_effect(options: Options) -> None:
    world, head = toy.clouds(), {"trainable": "head"}
    plain = toy.printed_fit("paper", world, training=head)
    other = toy.printed_fit("paper", world, training=head, **options)
    assert (plain.score(world.test) != other.score(world.test)).any()


def test_refinements_reach_the_partition() -> None:
    world, head = toy.clouds(), {"trainable": "head", "epochs": 1}
    n_normal = int((world.pool_labels == 0).sum())

    def partition(**options: Any) -> Any:
        return toy.printed_fitting("paper", world, training=head, **options).diagnostics.partition

    assert len(partition(trim_dominant=0.25).dominant) == n_normal * 3 / 4
    assert len(partition(negatives="farthest", negative_share=0.07).others) == 7
    assert partition().weights is None
    assert partition(weigh_negatives=True).weights.mean() == pytest.approx(1, abs=1e-5)
    split = partition(n_clusters=4)
    merged = partition(n_clusters=4, merge_cosine=0.9)
    assert len(split.dominant) < len(merged.dominant) == n_normal


def test_a_chosen_number_of_clusters_reaches_the_partition() -> None:
    world = toy.clouds()
    options: Options = {"training": {"trainable": "head", "epochs": 1}}
    diagnostics = toy.printed_fitting("paper", world, n_clusters="auto", **options).diagnostics
    found, normal = diagnostics.partition, world.pool_labels == 0
    assert found.chosen == 2
    assert diagnostics.choices == {"n_clusters": 2.0}
    assert normal[found.dominant].all()
    assert not normal[found.others].any()
    assert toy.printed_fitting("paper", world, **options).diagnostics.partition.chosen is None


@pytest.mark.parametrize("value", ["two", 0, -1, 2.5, None])
def test_a_number_of_clusters_that_is_none_names_the_choices(value: Any) -> None:
    with pytest.raises(ConfigError, match="n_clusters: give auto or a whole number of at least 1"):
        parse_config(METHODS.load("paper"), {"n_clusters": value})


# --- impossible options ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("paper", {"psi": "clip"}),
        ("paper", {"selector": "no"}),
        ("paper", {"n_clusters": 0}),
        ("paper", {"merge_cosine": 1.5}),
        ("paper", {"trim_dominant": 1.0}),
        ("paper", {"negatives": "near"}),
        ("paper", {"negative_share": 0.0}),
        ("paper", {"geometry": "hyperbolic"}),
        ("paper", {"center": "median"}),
        ("paper", {"alignment": "coral"}),
        ("paper", {"alpha": 0}),
        ("paper", {"debias": 1.0}),
        ("paper", {"batch_others": -1}),
        ("paper_mmd", {"views": 3}),
        ("align_all", {"psi": "self"}),
        ("source_only", {"training.batch_norm": "frozen"}),
        ("paper", {"training": {"batch_norm": "live"}}),
        ("paper", {"training": {"head": "mlp"}}),
        ("paper", {"training": {"head_dim": 0}}),
    ],
    ids=str,
)
def test_impossible_options(name: str, options: Options) -> None:
    option = next(iter(options))
    if isinstance(options[option], dict):
        option = f"{option}.{next(iter(options[option]))}"
    with pytest.raises(ConfigError, match=f"method {name}, option {option}: ") as caught:
        parse_config(METHODS.load(name), options)
    assert len(str(caught.value).splitlines()) == 1
    assert "Value error" not in str(caught.value)


def test_what_psi_and_selector_can_be_is_listed() -> None:
    method = METHODS.load("paper")
    with pytest.raises(ConfigError, match=r"unknown psi 'no': choose one of frozen, self, eff"):
        parse_config(method, {"psi": "no"})
    with pytest.raises(ConfigError, match=r"unknown selector 'no': choose one of kmeans, gmm"):
        parse_config(method, {"selector": "no"})


@pytest.mark.parametrize(
    "options",
    [
        {"training": {"batch_norm": "joint", "batch_source": 1}},
        {"training": {"batch_norm": "separate"}, "batch_dominant": 1},
        {"alignment": "grl", "batch_dominant": 1},
    ],
    ids=str,
)
def test_live_statistics_of_one_image(options: Options) -> None:
    """Options that are wrong together only: the message names both."""
    with pytest.raises(ConfigError, match=r"^method paper: training.batch_source and batch_dom"):
        parse_config(METHODS.load("paper"), options)
