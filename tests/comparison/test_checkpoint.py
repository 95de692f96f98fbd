"""A training that is interrupted and goes on."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from pydantic import JsonValue
from torch import nn

from twofold.comparison import checkpoint
from twofold.comparison.checkpoint import Checkpoint, epoch_seed, run_epochs
from twofold.errors import BundleError, CollapseError
from twofold.training import local_generator


class Toy:
    """A regression in four epochs with Adam and normalisation statistics."""

    def __init__(self, folder: Path | None, seed: int = 0, name: str = "toy") -> None:
        generator = local_generator(seed)
        self.net = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3))
        for parameter in self.net.parameters():
            nn.init.normal_(parameter, generator=generator)
        self.optimiser = torch.optim.Adam(self.net.parameters(), 0.05)
        self.epochs: list[int] = []
        self.seed = seed
        identity: dict[str, JsonValue] = {"method": name, "random_state": seed}
        self.checkpoint = Checkpoint(folder, identity, {"net": self.net}, {"net": self.optimiser})

    def one_epoch(self, epoch: int, fail: int | None = None) -> float:
        if epoch == fail:
            raise KeyboardInterrupt
        self.epochs.append(epoch)
        generator = torch.Generator().manual_seed(epoch_seed(self.seed, epoch))
        loss = self.net(torch.randn(16, 4, generator=generator)).square().mean()
        for parameter, gradient in zip(
            self.net.parameters(),
            torch.autograd.grad(loss, list(self.net.parameters())),
            strict=True,
        ):
            parameter.grad = gradient
        self.optimiser.step()
        return float(loss.detach())

    def run(self, fail: int | None = None) -> tuple[float, ...]:
        return run_epochs(4, lambda epoch: self.one_epoch(epoch, fail), self.checkpoint)


@pytest.fixture(autouse=True)
def _save_always(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint, "SECONDS_BETWEEN_SAVES", 0.0)


def same(one: nn.Module, other: nn.Module) -> bool:
    pairs = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


@pytest.mark.parametrize("fail", [1, 2, 3])
def test_a_resumed_run_ends_in_the_same_bits(tmp_path: Path, fail: int) -> None:
    whole = Toy(None)
    losses = whole.run()
    broken = Toy(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        broken.run(fail)
    resumed = Toy(tmp_path)
    assert resumed.run() == losses
    assert resumed.epochs == list(range(fail, 4))
    assert same(whole.net, resumed.net)
    finished = Toy(tmp_path)
    assert finished.run() == losses
    assert not finished.epochs
    assert same(whole.net, finished.net)


def test_only_plain_files_are_written(tmp_path: Path) -> None:
    toy = Toy(tmp_path / "new" / "folder")
    toy.run()
    assert toy.checkpoint.path is not None
    names = {path.name for path in toy.checkpoint.path.iterdir()}
    assert names == {"detector.json", "tensors.safetensors"}
    assert toy.checkpoint.path.name.startswith("toy-")


def test_other_trainings_have_their_own(tmp_path: Path) -> None:
    Toy(tmp_path).run()
    for other in (Toy(tmp_path, seed=1), Toy(tmp_path, name="other")):
        other.run()
        assert other.epochs == [0, 1, 2, 3]
    assert len(list(tmp_path.iterdir())) == 3


def test_without_a_folder_nothing_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    toy = Toy(None)
    toy.run()
    assert toy.checkpoint.path is None
    assert not list(tmp_path.iterdir())


def test_short_epochs_are_not_saved_each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint, "SECONDS_BETWEEN_SAVES", 1000.0)
    saves: list[int] = []
    monkeypatch.setattr(Checkpoint, "save", lambda self, losses: saves.append(len(losses)))
    Toy(tmp_path).run()
    assert saves == [4]


def test_damage_is_said(tmp_path: Path) -> None:
    toy = Toy(tmp_path)
    toy.run()
    assert toy.checkpoint.path is not None
    file = toy.checkpoint.path / "tensors.safetensors"
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(BundleError) as caught:
        Toy(tmp_path).run()
    assert len(str(caught.value).splitlines()) == 1


def test_a_checkpoint_of_other_networks_is_refused(tmp_path: Path) -> None:
    toy = Toy(tmp_path)
    toy.run()
    other = Checkpoint(tmp_path, toy.checkpoint.identity, {"net": nn.Linear(9, 9)}, {})
    with pytest.raises(BundleError, match=r"does not fit this training .*: delete it"):
        other.load()
    assert toy.checkpoint.path is not None
    stranger = Toy(tmp_path, seed=5)
    assert stranger.checkpoint.path is not None
    toy.checkpoint.path.rename(stranger.checkpoint.path)
    with pytest.raises(BundleError, match="no checkpoint of this training: delete it"):
        stranger.run()


def test_a_loss_that_is_no_number_stops(tmp_path: Path) -> None:
    toy = Toy(tmp_path)
    with pytest.raises(CollapseError, match="became nan in epoch 1"):
        run_epochs(2, lambda _: float("nan"), toy.checkpoint)
    assert not list(tmp_path.iterdir())


def test_seeds_differ() -> None:
    seeds = [epoch_seed(s, e, t) for s in range(3) for e in range(20) for t in range(2)]
    assert len(set(seeds)) == len(seeds)
    assert all(0 <= seed < 2**32 for seed in seeds)
