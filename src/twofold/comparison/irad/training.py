"""IRAD's adversarial training: who minimises what, and in which order."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import mse_loss

from twofold.comparison.checkpoint import Checkpoint, epoch_seed, run_epochs
from twofold.comparison.irad.networks import Networks
from twofold.losses import GanLoss, gan_loss, latent_overlap, mean_distance

__all__ = ["Form", "Game", "Schedule", "Terms", "train"]

Floats = NDArray[np.float32]
Form = Literal["release", "published"]

_BETAS = (0.5, 0.999)


@dataclass(frozen=True)
class Terms:
    """Which losses there are, and their weights.

    Attributes:
        form: ``release`` has a latent discriminator; ``published`` l_dis and l_sim in its place.
        adversarial: loss of the discriminators and of those who fool them.
        cycle: weight of l1 + l2 (alpha).
        latent: weight of l_dis + l_sim (beta); of the published form alone.
    """

    form: Form
    adversarial: GanLoss
    cycle: float
    latent: float


@dataclass(frozen=True)
class Schedule:
    """How long.

    Attributes:
        epochs: passes over the source, at most ``batch`` images a step.
        batch: images of each domain in a step.
    """

    epochs: int
    batch: int


class Game:
    """The five networks and one Adam for each; :meth:`step` trains all of them on one batch."""

    def __init__(self, networks: Networks, terms: Terms, learning_rate: float) -> None:
        self.networks, self.terms = networks, terms
        self.optimisers: dict[str, torch.optim.Optimizer] = {
            name: torch.optim.Adam(network.parameters(), learning_rate, betas=_BETAS)
            for name, network in networks.named().items()
            if name != "latent_discriminator" or terms.form == "release"
        }

    def step(self, source: Tensor, target: Tensor, noise: Tensor) -> float:
        """One step of every network; returns the loss of encoders and generator.

        The discriminators learn from detached images and latents and step; what encoders and
        generator have to fool is computed afterwards with the stepped ones. The release steps
        between backward passes of one graph, which PyTorch refuses since 1.5.
        """
        latents = self._latents(source, target)
        images = self._images(latents, noise)
        self._move(
            {"discriminator": self.discriminator_loss(source, images)}
            | (
                {"latent_discriminator": self.latent_discriminator_loss(latents)}
                if self.terms.form == "release"
                else {}
            )
        )
        # Each network gets the gradient of its own terms alone from this sum: x3 does not depend on
        # E_pv, nor D_z's answer on E_pv or G.
        loss = self.makers_loss(source, images, latents)
        self._move(dict.fromkeys(("shared", "private", "generator"), loss))
        return float(loss.detach())

    def discriminator_loss(self, source: Tensor, images: list[Tensor]) -> Tensor:
        """D: source images are real, all generated ones are not; four terms."""
        judge, kind = self.networks.discriminator, self.terms.adversarial
        fakes = [gan_loss(judge(image.detach()), False, kind) for image in images]
        return gan_loss(judge(source), True, kind) + torch.stack(fakes).sum()

    def latent_discriminator_loss(self, latents: Mapping[str, Tensor]) -> Tensor:
        """D_z: shared latents of the source are 1, of the target 0; two terms."""
        judge, kind = self.networks.latent_discriminator, self.terms.adversarial
        of_source, of_target = (judge(latents[name].detach()) for name in ("source", "target"))
        return gan_loss(of_source, True, kind) + gan_loss(of_target, False, kind)

    def makers_loss(
        self, source: Tensor, images: list[Tensor], latents: Mapping[str, Tensor]
    ) -> Tensor:
        """What E_sh, E_pv and G minimise together."""
        terms, judge = self.terms, self.networks.discriminator
        fooling = [gan_loss(judge(image), True, terms.adversarial) for image in images]
        distance = mse_loss if terms.form == "release" else mean_distance
        cycle = distance(source, images[0]) + distance(source, images[1])
        loss = torch.stack(fooling).sum() + terms.cycle * cycle
        if terms.form == "release":
            # Both answers flipped: E_sh makes the domains look alike to D_z.
            of_source, of_target = (
                self.networks.latent_discriminator(latents[k]) for k in ("source", "target")
            )
            kind = terms.adversarial
            return loss + gan_loss(of_source, False, kind) + gan_loss(of_target, True, kind)
        dissimilar = latent_overlap(latents["source"], latents["private"])
        similar = -latent_overlap(latents["source"], latents["target"])
        return loss + terms.latent * (dissimilar + similar)

    def _latents(self, source: Tensor, target: Tensor) -> dict[str, Tensor]:
        networks = self.networks
        return {
            "private": networks.private(source),
            "source": networks.shared(source),
            "target": networks.shared(target),
        }

    def _images(self, latents: Mapping[str, Tensor], noise: Tensor) -> list[Tensor]:
        """x1, x2, x3: latents are added, and private ones never meet noise."""
        private, of_source, of_target = latents["private"], latents["source"], latents["target"]
        return [
            self.networks.generator(z)
            for z in (private + of_source, private + of_target, noise + of_source)
        ]

    def _move(self, losses: Mapping[str, Tensor]) -> None:
        """One step of each network against its loss, after all gradients are known."""
        named = self.networks.named()
        groups = {name: list(named[name].parameters()) for name in losses}
        # Equal losses share one backward pass.
        for loss in {id(loss): loss for loss in losses.values()}.values():
            own = [name for name in losses if losses[name] is loss]
            parameters = [parameter for name in own for parameter in groups[name]]
            for parameter, gradient in zip(
                parameters, torch.autograd.grad(loss, parameters), strict=True
            ):
                parameter.grad = gradient
        for name in losses:
            self.optimisers[name].step()
            self.optimisers[name].zero_grad(set_to_none=True)


def train(
    game: Game,
    rows: tuple[Floats, Floats],
    schedule: Schedule,
    checkpoint: Checkpoint,
    *,
    random_state: int,
    drops: torch.Generator,
    latent: int,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[float, ...]:
    """Play the game on shuffled batches of source and target.

    Args:
        game: its networks train in place, on the device they are on; they end in evaluation mode.
        rows: (n, ...) of the source and (n, ...) of the target, which is resampled to as many.
        schedule: how long.
        checkpoint: of the game's networks and optimisers.
        random_state: of every draw.
        drops: the generator of the networks' dropout; seeded anew for each epoch.
        latent: length of a latent vector.
        progress: called with (steps done, steps in all).

    Returns:
        Mean loss of encoders and generator in each epoch.
    """
    n = len(rows[0])
    batch = min(schedule.batch, n)
    per_epoch = n // batch
    device = next(game.networks.shared.parameters()).device
    for network in game.networks.named().values():
        network.train()

    def one_epoch(epoch: int) -> float:
        generator = torch.Generator().manual_seed(epoch_seed(random_state, epoch))
        drops.manual_seed(epoch_seed(random_state, epoch, 1))
        order = [torch.randperm(n, generator=generator).numpy() for _ in rows]
        losses = []
        for index in range(per_epoch):
            chosen = [picked[index * batch : (index + 1) * batch] for picked in order]
            source, target = (
                torch.from_numpy(part[picked]).to(device)
                for part, picked in zip(rows, chosen, strict=True)
            )
            noise = torch.randn(batch, latent, generator=generator).to(device)
            losses.append(game.step(source, target, noise))
            if progress is not None:
                progress(epoch * per_epoch + index + 1, schedule.epochs * per_epoch)
        return float(np.mean(losses))

    losses = run_epochs(schedule.epochs, one_epoch, checkpoint)
    for network in game.networks.named().values():
        network.eval().cpu()
    return losses
