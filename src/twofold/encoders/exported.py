"""The outputs of an encoder from an exported graph, where its weights are not at hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from twofold.encoders.converted import import_openvino
from twofold.errors import BundleError
from twofold.files import file_sha256

__all__ = ["ExportedGraph"]

Shape = tuple[int, int]


@dataclass(frozen=True)
class ExportedGraph:
    """A graph from pixels to outputs of an encoder, among others.

    Attributes:
        folder: where its files lie.
        file: the one to open, of OpenVINO or ONNX.
        hashes: sha256 of each of its files by name.
        inputs: name -> height and width in pixels of the images.
        outputs: name of each output of the encoder -> name of the input that it sees.
    """

    folder: Path
    file: str
    hashes: Mapping[str, str]
    inputs: Mapping[str, Shape]
    outputs: Mapping[str, str]

    def check(self) -> None:
        """Refuse files that are not those that were exported.

        Raises:
            BundleError: they are not.
        """
        for name, sha256 in self.hashes.items():
            if self._digest(name) != sha256:
                raise BundleError(f"{self.folder / name}: damaged or altered; export it again")

    def gives(self, shape: Shape, outputs: Sequence[str]) -> bool:
        """Whether these outputs, named without a size, are there of images of this size."""
        return set(outputs) <= self._at(shape).keys()

    def model(self, shape: Shape, outputs: Sequence[str]) -> Any:
        """An ``openvino.Model`` from uint8 pixels (1, h, w, 3) to these outputs, in this order."""
        ov = import_openvino()
        whole = ov.Core().read_model(self.folder / self.file)
        known = self._at(shape)
        # Not by `whole.output(name)`: outputs that are one tensor have all of its names.
        ports = {port.get_any_name(): port for port in (*whole.outputs, *whole.inputs)}
        results = [ports[known[output]].get_node() for output in outputs]
        seen = {self.outputs[known[output]] for output in outputs}
        # A copy, as the nodes of the whole are still joined to those that score.
        return ov.Model(results, [ports[name].get_node() for name in seen], "outputs").clone()

    @property
    def digest(self) -> str:
        """What its last bits depend on."""
        return "+".join(self.hashes[name] for name in sorted(self.hashes))

    def _digest(self, name: str) -> str:
        try:
            return file_sha256(self.folder / name)
        except OSError as error:
            raise BundleError(f"{self.folder / name}: {error.strerror}; export it again") from error

    def _at(self, shape: Shape) -> dict[str, str]:
        """Names without a size -> names, of the outputs that see images of this size."""
        return {
            name.partition("/")[0]: name
            for name, seen in self.outputs.items()
            if self.inputs[seen] == shape
        }
