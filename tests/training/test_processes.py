"""Two processes that train together end where one does."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from tests.training.spread import CASES, results
from torch import nn

from twofold.errors import ConfigError
from twofold.launched import is_first_process, n_processes
from twofold.training.processes import Spread

ROOT = Path(__file__).parents[2]


def in_processes(n: int, *command: str) -> subprocess.CompletedProcess[str]:
    """A module of Python in processes that train together, by the library's own launcher."""
    launcher = (sys.executable, "-m", "torch.distributed.run", "--standalone")
    environment = os.environ | {
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path]),
    }
    return subprocess.run(
        [*launcher, "--nproc-per-node", str(n), "-m", *command],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
def test_trained_methods_are_those_of_one_process(tmp_path: Path) -> None:
    out = tmp_path / "scores.npz"
    done = in_processes(2, "tests.training.spread", str(out))
    assert done.returncode == 0, done.stderr[-3000:]
    alone = results()
    with np.load(out) as together:
        assert int(together["processes"]) == 2
        assert set(together.files) - {"processes"} == set(alone) == set(CASES)
        for name, expected in alone.items():
            spread = np.ptp(expected)
            np.testing.assert_allclose(
                together[name], expected, rtol=0, atol=1e-5 * spread, err_msg=name
            )


def stand_in(rank: int, world: int, seen: list[Any]) -> Any:
    """What Spread needs of Fabric, with the parts of the others as zeros."""

    def all_gather(part: torch.Tensor, *, sync_grads: bool) -> torch.Tensor:
        assert sync_grads
        seen.append(part)
        parts = torch.zeros(world, *part.shape)
        parts[rank] = part
        return parts

    return SimpleNamespace(world_size=world, global_rank=rank, all_gather=all_gather)


@pytest.mark.parametrize(("n", "world"), [(6, 2), (7, 2), (7, 3), (2, 4), (1, 2)])
def test_every_row_is_run_by_one_process_at_its_place(n: int, world: int) -> None:
    batch = torch.arange(1.0, n + 1)[:, None]
    total = torch.zeros(n, 1)
    for rank in range(world):
        found = Spread(nn.Identity(), stand_in(rank, world, []))(batch)
        assert found.shape == (n, 1)
        total += found
    torch.testing.assert_close(total, batch)


def test_several_outputs_and_parts_of_other_lengths() -> None:
    class Two(nn.Module):
        width = 3

        def forward(self, *parts: torch.Tensor) -> tuple[torch.Tensor, ...]:
            return tuple(2 * part for part in parts)

    seen: list[Any] = []
    spread = Spread(Two(), stand_in(0, 2, seen))
    assert spread.width == 3
    first, second = spread(torch.ones(4, 1), torch.ones(4, 2))
    assert (first.shape, second.shape) == ((4, 1), (4, 2))
    assert [part.shape[0] for part in seen] == [2, 2]
    first, second = spread(torch.ones(4, 1), torch.ones(3, 1))
    assert (len(first), len(second), len(seen)) == (4, 3, 2)


def test_normalisation_by_batches_needs_one_process() -> None:
    live, frozen = nn.BatchNorm1d(2), nn.BatchNorm1d(2).eval()
    with pytest.raises(ConfigError, match="leave out --devices"):
        Spread(nn.Sequential(live), stand_in(0, 2, []))
    Spread(nn.Sequential(frozen), stand_in(0, 2, []))


def test_a_process_of_its_own_is_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TORCHELASTIC_RUN_ID", raising=False)
    monkeypatch.setenv("WORLD_SIZE", "4")  # of another program, which started this one
    monkeypatch.setenv("RANK", "1")
    assert n_processes() == 1
    assert is_first_process()
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "x")
    assert n_processes() == 4
    assert not is_first_process()
