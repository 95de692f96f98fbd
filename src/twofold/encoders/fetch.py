"""Putting the weights of an encoder where they are found: from a file or folder, or the hub."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import safetensors.torch

from twofold.encoders.encoder import random_network
from twofold.encoders.registry import ENCODERS
from twofold.encoders.spec import EncoderSpec, HubWeights
from twofold.encoders.text import fill_text, text_bytes, text_file
from twofold.encoders.weights import (
    SUFFIXES,
    load_weights,
    read_tensors,
    state_digest,
    weights_folder,
)
from twofold.errors import WeightsError
from twofold.files import write_whole

__all__ = ["Fetched", "fetch_weights"]


@dataclass(frozen=True)
class Fetched:
    """Weights that are on this machine now.

    Attributes:
        encoder: its id.
        source: the file they were read from.
        layout: the name of that file's layout.
        sha256: over names, shapes and values of all tensors, as of a loaded encoder.
        stored: the file that is loaded from now on.
        text_sha256: of the text tower, where the file held one that fits.
        text_stored: the file that it is loaded from.
        text_refused: why it was not stored, where the file holds one that does not fit.
    """

    encoder: str
    source: Path
    layout: str
    sha256: str
    stored: Path
    text_sha256: str | None = None
    text_stored: Path | None = None
    text_refused: str | None = None


def fetch_weights(name: str, source: str | Path | None = None) -> Fetched:
    """Check the weights of an encoder and put them where :func:`load_encoder` finds them.

    Args:
        name: the encoder's id.
        source: a file, or a folder with one; its tensors are converted to the native layout and
            stored in the weights folder, a text tower in a file of its own. None loads them as
            :func:`load_encoder` does, from the hub where they are not on this machine yet, and
            stores nothing else.

    Raises:
        ConfigError: unknown id.
        WeightsError: no such file, not a plain tensor file, or of another architecture; a folder
            with none or several; nothing given and the hub cannot be reached.
        MissingExtraError: a package that the encoder needs is not installed.
        OSError: the weights folder cannot be written.
    """
    spec = ENCODERS.load(name)
    network = random_network(spec)
    file = None if source is None else _chosen(spec, Path(source))
    loaded = load_weights(spec, network, file)
    state = network.native.state_dict()
    found = Fetched(spec.id, loaded.path, loaded.layout, state_digest(state), loaded.path)
    if file is None:
        return found
    found = replace(found, stored=weights_folder() / f"{spec.id}.safetensors")
    write_whole(found.stored, safetensors.torch.save(state))
    return found if spec.text is None else _with_text(spec, found)


def _with_text(spec: EncoderSpec, found: Fetched) -> Fetched:
    """Store the text tower beside the image tower, if the file holds one that fits."""
    try:
        native = fill_text(spec, read_tensors(found.source), found.source)
    except WeightsError as error:  # The image tower is of use without it.
        return replace(found, text_refused=str(error))
    if native is None:
        return found
    stored = text_file(found.stored)
    write_whole(stored, text_bytes(native, found.sha256))
    return replace(found, text_sha256=state_digest(native.state_dict()), text_stored=stored)


def _chosen(spec: EncoderSpec, source: Path) -> Path:
    """The file itself, or the one of a folder.

    The file that the hub publishes for this encoder goes before all others, and a safetensors file
    before the others, as repositories hold the same weights in both forms.
    """
    if not source.is_dir():
        return source
    files = sorted(path for path in source.iterdir() if path.suffix in SUFFIXES)
    if isinstance(spec.weights, HubWeights):
        own = spec.weights.file
        files = [path for path in files if path.name == own] or files
    files = [path for path in files if path.suffix == SUFFIXES[0]] or files
    if len(files) == 1:
        return files[0]
    if not files:
        raise WeightsError(
            f"{source} holds no weights, no file that ends in {', '.join(SUFFIXES)}: "
            "name the file itself after --from"
        )
    names = ", ".join(path.name for path in files[:4])
    more = f" and {len(files) - 4} more" if len(files) > 4 else ""
    raise WeightsError(
        f"{source} holds several files of weights, {names}{more}: name one of them after --from"
    )
