"""BiOST's two phases, and the selective backpropagation of the second."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional as tv

from twofold.comparison.biost.networks import Domain, Translator
from twofold.comparison.checkpoint import Checkpoint, epoch_seed, run_epochs
from twofold.comparison.pixels import as_inputs, resized
from twofold.losses import LatentDistance, latent_cycle, latent_energy, reconstruction

__all__ = [
    "Recipe",
    "Training",
    "Views",
    "first_loss",
    "load_side",
    "random_view",
    "rate_at",
    "second_losses",
    "selective_step",
]

Pixels = NDArray[np.uint8]
Views = Literal["release", "article"]

Optimisers = dict[str, torch.optim.Optimizer]
MakeCheckpoint = Callable[[str, dict[str, nn.Module], Optimisers], Checkpoint]

_BETAS = (0.5, 0.999)
_DEGREES = 7.0


@dataclass(frozen=True)
class Recipe:
    """How the networks are trained.

    Attributes:
        side: of the training images.
        epochs: of each phase, at the full learning rate.
        decay_epochs: of each phase, while it falls linearly.
        images: source images per epoch; None is as many as there are.
        rate: learning rate of Adam.
        energy: weight of the latents' mean square.
        latent_cycle: weight of A's latent cycle.
        latent_distance: of the latent cycle.
        views: how training images are augmented.
    """

    side: int
    epochs: int
    decay_epochs: int
    images: int | None
    rate: float
    energy: float
    latent_cycle: float
    latent_distance: LatentDistance
    views: Views

    @property
    def all_epochs(self) -> int:
        """Epochs of one phase."""
        return self.epochs + self.decay_epochs


def load_side(side: int) -> int:
    """Side of the image a view is cut from: 286 for 256, others in proportion."""
    return round(side * 286 / 256)


def random_view(image: Pixels, side: int, views: Views, generator: np.random.Generator) -> Pixels:
    """A view of an image that is still the same content.

    ``release``: turned by up to 7 degrees, cut at a random place, flipped half the time.
    ``article``: turned by up to 7 degrees and cut at a random horizontal place (how far it shifts
    is not stated: as far as the larger image allows). Corners that turn in show the mirrored image.

    Args:
        image: uint8 (l, l, 3), l = ``load_side(side)``.
        side: of the view.
        views: see above.
        generator: of every draw.

    Returns:
        uint8 (side, side, 3).
    """
    tensor = torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))
    length = tensor.shape[-1]
    margin = -(-length // 8)
    wide = tv.pad(tensor, [margin] * 4, padding_mode="reflect")
    angle = float(generator.uniform(-_DEGREES, _DEGREES))
    turned = tv.rotate(wide, angle, InterpolationMode.BILINEAR)
    top, left = (margin + int(place) for place in generator.integers(0, length - side + 1, 2))
    if views == "article":
        top = margin + (length - side) // 2
    view = turned[:, top : top + side, left : left + side]
    if views == "release" and generator.random() < 0.5:
        view = view.flip(2)
    return np.ascontiguousarray(view.permute(1, 2, 0).numpy())


def first_loss(b: Domain, image: Tensor, recipe: Recipe) -> Tensor:
    """Phase I: B's autoencoder alone."""
    latent = b.encoder(image)
    return reconstruction(b.decoder(latent), image) + recipe.energy * latent_energy(latent)


def second_losses(
    networks: Translator, a: Tensor, s: Tensor, recipe: Recipe
) -> tuple[Tensor, Tensor]:
    """Phase II: what A's networks minimise, and what B's do.

    Args:
        networks: of both domains.
        a: (n, 3, s, s) views of the shot.
        s: (n, 3, s, s) views of source images.
        recipe: weights.
    """
    one, many = networks.a, networks.b
    of_a, of_s = one.encoder(a), many.encoder(s)
    # s in the style of A, and what A's encoder makes of it: in both losses.
    returned = one.encoder(one.decoder(of_s))
    around_a = one.decoder(many.encoder(many.decoder(of_a)))
    loss_a = (
        reconstruction(one.decoder(of_a), a)
        + reconstruction(around_a, a)
        + recipe.energy * latent_energy(of_a)
        + recipe.latent_cycle * latent_cycle(returned, of_s, recipe.latent_distance)
    )
    loss_b = (
        reconstruction(many.decoder(of_s), s)
        + reconstruction(many.decoder(returned), s)
        + recipe.energy * latent_energy(of_s)
    )
    return loss_a, loss_b


def selective_step(
    losses: Sequence[Tensor],
    modules: Sequence[nn.Module],
    optimisers: Sequence[torch.optim.Optimizer],
) -> None:
    """One step of each module against its own loss, whatever else the loss passes through.

    All gradients are known before the first step: a step between them would change weights that the
    other loss's graph still needs.

    Args:
        losses: scalars that may share a graph.
        modules: whose parameters follow the loss at the same place, and no other.
        optimisers: over the parameters of the module at the same place.
    """
    groups = [list(module.parameters()) for module in modules]
    gradients = [
        torch.autograd.grad(loss, group, retain_graph=index + 1 < len(losses))
        for index, (loss, group) in enumerate(zip(losses, groups, strict=True))
    ]
    for group, found, optimiser in zip(groups, gradients, optimisers, strict=True):
        for parameter, gradient in zip(group, found, strict=True):
            parameter.grad = gradient
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)


def rate_at(epoch: int, recipe: Recipe) -> float:
    """Learning rate of an epoch: constant, then falling linearly to just above 0."""
    late = max(0, epoch + 1 - recipe.epochs)
    return recipe.rate * (1 - late / (recipe.decay_epochs + 1))


class Training:
    """Both phases, one image a step, as the release has it.

    Args:
        networks: trained in place, on the device they are on; on the CPU afterwards.
        shot: uint8 (l, l, 3), l = ``load_side(recipe.side)``.
        source: uint8 (n, l, l, 3).
        recipe: see there.
        random_state: of every draw.
        progress: called with (steps done, steps in all).
    """

    def __init__(
        self,
        networks: Translator,
        shot: Pixels,
        source: Pixels,
        recipe: Recipe,
        *,
        random_state: int,
        progress: Callable[[int, int], None] | None = None,
    ) -> None:
        self._networks, self._shot, self._source = networks, shot, source
        self._recipe, self._random_state, self._progress = recipe, random_state, progress
        n = len(source)
        self._per_epoch = n if recipe.images is None else min(recipe.images, n)

    def run(self, checkpoint: MakeCheckpoint) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Train.

        Args:
            checkpoint: makes one from the phase's name, its modules and its optimisers.

        Returns:
            Mean loss of each epoch of phase I, and of phase II (A's and B's together).
        """
        networks = self._networks
        first = self._phase(0, {"b": networks.b}, checkpoint)
        networks.start_a_from_b()
        second = self._phase(1, {"a": networks.a, "b": networks.b}, checkpoint)
        networks.eval().cpu()
        return first, second

    def _phase(
        self, phase: int, modules: dict[str, nn.Module], checkpoint: MakeCheckpoint
    ) -> tuple[float, ...]:
        optimisers: Optimisers = {
            name: torch.optim.Adam(module.parameters(), self._recipe.rate, betas=_BETAS)
            for name, module in modules.items()
        }
        return run_epochs(
            self._recipe.all_epochs,
            lambda epoch: self._epoch(phase, epoch, modules, optimisers),
            checkpoint(("first", "second")[phase], modules, optimisers),
        )

    def _epoch(
        self, phase: int, epoch: int, modules: dict[str, nn.Module], optimisers: Optimisers
    ) -> float:
        recipe = self._recipe
        for optimiser in optimisers.values():
            for group in optimiser.param_groups:
                group["lr"] = rate_at(epoch, recipe)
        generator = np.random.default_rng(epoch_seed(self._random_state, epoch, phase))
        found = []
        for index, row in enumerate(self._rows(phase, generator)):
            losses = self._losses(phase, int(row), generator)
            selective_step(losses, list(modules.values()), list(optimisers.values()))
            found.append(sum(float(loss.detach()) for loss in losses))
            if self._progress is not None:
                done = (phase * recipe.all_epochs + epoch) * self._per_epoch + index + 1
                self._progress(done, 2 * recipe.all_epochs * self._per_epoch)
        return float(np.mean(found))

    def _rows(self, phase: int, generator: np.random.Generator) -> NDArray[np.int64]:
        """Phase I goes through the source, phase II draws with replacement, as the release does."""
        n = len(self._source)
        if phase:
            return generator.integers(0, n, self._per_epoch)
        return generator.permutation(n)[: self._per_epoch]

    def _losses(self, phase: int, row: int, generator: np.random.Generator) -> tuple[Tensor, ...]:
        recipe, networks = self._recipe, self._networks
        # The release augments both domains, the article the shot alone.
        s = self._view(self._source[row], generator, moved=recipe.views == "release")
        if not phase:
            return (first_loss(networks.b, s, recipe),)
        return second_losses(networks, self._view(self._shot, generator), s, recipe)

    def _view(self, image: Pixels, generator: np.random.Generator, *, moved: bool = True) -> Tensor:
        side = self._recipe.side
        if moved:
            view = random_view(image, side, self._recipe.views, generator)
        else:
            view = resized(image[None], side)[0]
        return torch.from_numpy(as_inputs(view[None])).to(next(self._networks.parameters()).device)
