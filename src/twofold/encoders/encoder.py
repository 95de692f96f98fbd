"""A loaded encoder: network, weights and everything that identifies them."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from numpy.typing import NDArray

from twofold.defaults import DEFAULT_ENCODER
from twofold.deferred import deferred
from twofold.encoders.digests import (
    array_digest,
    forget,
    known_digest,
    remember,
)
from twofold.encoders.registry import ENCODERS
from twofold.encoders.spec import EncoderSpec, Network, Trainable
from twofold.encoders.weights import load_located, located_weights, state_digest
from twofold.errors import ConfigError, WeightsError
from twofold.files import file_sha256

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from twofold.encoders.backbone import Suffix
    from twofold.encoders.exported import ExportedGraph
else:
    torch = deferred("torch")

__all__ = [
    "Encoder",
    "LazyNetwork",
    "encoder_key",
    "exported_encoder",
    "load_encoder",
    "random_network",
    "seeded",
]

Built = TypeVar("Built")

# Named anew whenever decoding or resizing changes what pixels a file yields.
_DECODING = "whole image, draft at twice the side, antialiased uint8 resize"


class LazyNetwork:
    """A network that is loaded when it is first asked for.

    Args:
        load: gives it in evaluation mode and without gradients, and says why it cannot be had.
    """

    def __init__(self, load: Callable[[], Network]) -> None:
        self._load = load
        self._found: Network | None = None

    def get(self) -> Network:
        """The network; errors are those of ``load``."""
        # Without a lock, which a forked child may wait for in vain: threads that come together
        # load it each, and any of these networks will do.
        if self._found is None:
            self._found = self._load()
        return self._found


@dataclass(frozen=True)
class Encoder:
    """An encoder ready to run; its network is never modified (training works on a copy).

    Attributes:
        spec: what it is.
        held: the network, or what loads it: scoring may find a converted one and need no other.
        weights_sha256: over names, shapes and values of all tensors.
        origin: the ``weights`` that :func:`load_encoder` would take to load it again; None for the
            encoder's own, and for tensors, which have none.
        exported: a graph that gives some of its outputs without the network.
    """

    spec: EncoderSpec
    held: Network | LazyNetwork
    weights_sha256: str
    origin: str | Path | None = None
    exported: ExportedGraph | None = None

    @property
    def network(self) -> Network:
        """The weights, in evaluation mode and without gradients.

        Raises:
            WeightsError, MissingExtraError: they are loaded only now, and cannot be.
        """
        return self.held.get() if isinstance(self.held, LazyNetwork) else self.held

    @property
    def fingerprint(self) -> str:
        """Hex digest of everything that decides what vector an image gets."""
        identity = {
            "id": self.spec.id,
            "architecture": self.spec.architecture,
            "weights": self.weights_sha256,
            "preprocessing": self.spec.preprocessing.identity(),
            "decoding": _DECODING,
        }
        return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()

    def at_size(self, height: int, width: int | None = None) -> Encoder:
        """The same network for inputs of another size, in pixels.

        Args:
            height: of the input; a transformer takes the nearest multiple of its patch.
            width: likewise; None, or equal to the height, is a square.

        Raises:
            ConfigError: the network takes one size only (CLIP's).
        """
        own, patch = self.spec.preprocessing, self.spec.patch
        if patch is not None:
            height = max(round(height / patch), 1) * patch
            width = None if width is None else max(round(width / patch), 1) * patch
        preprocessing = replace(own, size=height, width=None if width == height else width)
        if preprocessing == own:
            return self
        if not self.spec.any_size:
            wanted = height if preprocessing.width is None else f"{width} x {height}"
            raise ConfigError(
                f"{self.spec.id} takes images of {own.size} pixels only, "
                f"not {wanted}: leave the image size out"
            )
        return replace(self, spec=replace(self.spec, preprocessing=preprocessing))

    def trainable_suffix(self, trainable: Trainable) -> Suffix:
        """A copy of the segments that train under ``trainable``; its parameters take gradients."""
        suffix = copy.deepcopy(self.network.backbone.suffix(trainable))
        return suffix.requires_grad_(True)

    def __getstate__(self) -> dict[str, Any]:
        """Plain arrays: PyTorch would hand each tensor to another process as an open file."""
        if self.exported is not None:  # its weights may be nowhere near
            return self.__dict__ | {"held": None}
        arrays = {name: tensor.numpy() for name, tensor in self.state().items()}
        return self.__dict__ | {"held": arrays}

    def __setstate__(self, state: dict[str, Any]) -> None:
        if state["held"] is None:
            given = (state["spec"].id, state["origin"], state["weights_sha256"])
            self.__dict__.update(state | {"held": _later(*given)})
            return
        network = random_network(state["spec"])
        # Copied: what another process shares may be for reading only.
        tensors = {name: torch.from_numpy(array.copy()) for name, array in state["held"].items()}
        network.native.load_state_dict(tensors)
        self.__dict__.update(state | {"held": _frozen(network)})

    def state(self) -> dict[str, Tensor]:
        """The weights under their library's names, for embedding them in a model folder."""
        return dict(self.network.native.state_dict())


def encoder_key(name: str, weights: str | Path | None) -> object:
    """Equal for arguments with which :func:`load_encoder` gives the same network.

    A file that has changed since is another one.
    """
    try:
        status = None if weights is None else Path(weights).stat()
    except (OSError, ValueError):  # "random", or no file: loading says so
        status = None
    written = None if status is None else (status.st_mtime_ns, status.st_size, status.st_ino)
    return name, weights, written


def load_encoder(
    name: str = DEFAULT_ENCODER,
    weights: str | Path | Mapping[str, NDArray[Any] | Tensor] | None = None,
    *,
    expected_sha256: str | None = None,
) -> Encoder:
    """Find an encoder's weights and load them, or have them loaded when they are first needed.

    A file that this machine has loaded before is known by its sha256, so that the network itself
    (and PyTorch, which takes seconds to import) may wait until somebody needs it.

    Args:
        name: an id of the registry.
        weights: a local file, the tensors or arrays themselves, ``"random"`` (a fixed random
            initialisation, for tests of a code path), or None for the encoder's own origin.
        expected_sha256: refuse weights with another digest (a saved model's check).

    Raises:
        ConfigError: unknown id.
        WeightsError, MissingExtraError: see :func:`twofold.encoders.weights.load_weights`.
    """
    spec = ENCODERS.load(name)
    if isinstance(weights, Mapping):
        encoder = _of_arrays(spec, weights)
        if expected_sha256 is None:
            _ = encoder.network  # what does not fit is refused now
    elif weights == "random":
        encoder = _loaded(spec, _frozen(random_network(spec)), weights)
    else:
        encoder = _of_file(spec, weights)
    digest = encoder.weights_sha256
    if expected_sha256 is not None and digest != expected_sha256:
        raise WeightsError(
            f"the weights of {name} on this machine (sha256 {digest[:12]}...) are not those the "
            f"model was fitted with ({expected_sha256[:12]}...): pass the original --weights FILE"
        )
    return encoder


def exported_encoder(
    name: str, graph: ExportedGraph, weights_sha256: str, weights: str | Path | None = None
) -> Encoder:
    """An encoder whose outputs come from an exported graph.

    Args:
        name: an id of the registry.
        graph: that gives them.
        weights_sha256: of the network that the graph was made of.
        weights: as for :func:`load_encoder`, for outputs that the graph does not give.
    """
    held = _later(name, weights, weights_sha256)
    return Encoder(ENCODERS.load(name), held, weights_sha256, weights, graph)


def _later(name: str, weights: str | Path | None, sha256: str) -> LazyNetwork:
    """The network of an exported encoder, if anything but its graph is asked for."""
    return LazyNetwork(lambda: load_encoder(name, weights, expected_sha256=sha256).network)


def _loaded(spec: EncoderSpec, network: Network, origin: str | Path | None) -> Encoder:
    return Encoder(spec, network, state_digest(network.native.state_dict()), origin)


def _of_arrays(spec: EncoderSpec, arrays: Mapping[str, NDArray[Any] | Tensor]) -> Encoder:
    def load() -> Network:
        network = random_network(spec)
        try:
            tensors = {name: torch.as_tensor(array) for name, array in arrays.items()}
            network.native.load_state_dict(tensors, strict=True)
        except RuntimeError as error:
            reason = str(error).splitlines()[0]
            raise WeightsError(f"the given weights do not fit {spec.id}: {reason}") from error
        return _frozen(network)

    return Encoder(spec, LazyNetwork(load), array_digest(arrays))


def _of_file(spec: EncoderSpec, weights: str | Path | None) -> Encoder:
    path, expected = located_weights(spec, weights)

    def load() -> Network:
        network = random_network(spec)
        load_located(spec, network, path, expected)
        return _frozen(network)

    try:
        sha256 = file_sha256(path)
    except (OSError, ValueError):  # no such file, or no possible name of one
        sha256 = ""
    # Loading says what is wrong with a file that cannot be read or has been altered.
    digest = known_digest(spec.id, sha256) if expected in (None, sha256) else None
    if digest is None:
        encoder = _loaded(spec, load(), weights)
        remember(spec.id, sha256, encoder.weights_sha256)
        return encoder

    def load_known() -> Network:
        network = load()
        if state_digest(network.native.state_dict()) != digest:
            forget(spec.id, sha256)
            raise WeightsError(
                f"{path} holds other weights of {spec.id} than it did before: run this again"
            )
        return network

    return Encoder(spec, LazyNetwork(load_known), digest, weights)


def _frozen(network: Network) -> Network:
    """The network in evaluation mode and without gradients."""
    network.native.eval().requires_grad_(False)
    network.backbone.eval()
    return network


def random_network(spec: EncoderSpec) -> Network:
    """The network of an encoder with its fixed random initialisation."""
    return seeded(spec.build)


def seeded(build: Callable[[], Built]) -> Built:
    """What is built with random weights, always the same."""
    # The libraries initialise from torch's global generator; leave that as it was found.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return build()
