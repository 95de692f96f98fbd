"""What a model folder says of the exported graph that lies in it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from twofold.encoders.exported import ExportedGraph

__all__ = ["GraphHeader"]

# The names are fixed, so that none leads out of the folder.
_FileName = Literal["model.onnx", "model.xml", "model.bin"]
_Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
_Pixels = Annotated[int, Field(ge=1, le=100_000)]


class GraphHeader(BaseModel):
    """The key ``graph`` of ``detector.json``."""

    model_config = ConfigDict(extra="forbid", strict=True)

    file: Literal["model.onnx", "model.xml"]
    files: dict[_FileName, _Sha256] = Field(min_length=1)
    inputs: dict[str, tuple[_Pixels, _Pixels]] = Field(min_length=1)
    outputs: dict[str, str] = Field(min_length=1)

    @classmethod
    def of(cls, graph: ExportedGraph) -> Self:
        """What is to be written of a graph."""
        return cls.model_validate(
            {
                "file": graph.file,
                "files": dict(graph.hashes),
                "inputs": dict(graph.inputs),
                "outputs": dict(graph.outputs),
            }
        )

    def in_folder(self, folder: Path) -> ExportedGraph:
        """The graph of a folder."""
        hashes = {str(name): sha256 for name, sha256 in self.files.items()}
        return ExportedGraph(folder, self.file, hashes, self.inputs, self.outputs)
