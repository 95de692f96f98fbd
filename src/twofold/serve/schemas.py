"""The answers of the service, for its OpenAPI document and for who reads it."""

from __future__ import annotations

from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

__all__ = [
    "BODY",
    "ErrorAnswer",
    "Health",
    "ModelAnswer",
    "ModelsAnswer",
    "ReloadAnswer",
    "ScoreAnswer",
    "errors",
]


class _Answer(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ErrorAnswer(_Answer):
    """Why there is no other answer."""

    error: str = Field(description="One sentence.", examples=["There is no model of this name."])
    request_id: str = Field(description="As in the log.", examples=["5f0c8a1be2d94c77"])


class RegionAnswer(_Answer):
    """A connected part of an image that is odd."""

    x: int = Field(description="Left edge of its box, in pixels of the image.", examples=[120])
    y: int = Field(description="Top edge.", examples=[64])
    width: int = Field(description="Of the box.", examples=[42])
    height: int = Field(description="Of the box.", examples=[21])
    area: int = Field(description="Of the region itself, in pixels.", examples=[440])
    peak: float = Field(description="The largest value of the map in it.", examples=[7.25])
    anomalous: bool = Field(description="Whether its peak is beyond the threshold for regions.")


class MapAnswer(_Answer):
    """Where an image is odd, to be stretched over it."""

    kind: Literal["png", "grid"]
    data: str = Field(description="Base64: a PNG with alpha, or a byte a place, row by row.")
    rows: int | None = Field(None, description="Of a grid.")
    columns: int | None = Field(None, description="Of a grid.")


class ImageAnswer(_Answer):
    """What is said of one image; everything but `image` and `problem` is null if it is unusable."""

    image: str = Field(description="The name that the client gave.", examples=["cell_0017.png"])
    score: float | None = Field(description="Larger is more anomalous.", examples=[1.342])
    percentile: float | None = Field(
        description="Of the images that the threshold rests on, so many percent score no higher.",
        examples=[97.5],
    )
    p_value: float | None = Field(
        description="Conformal: at most this share of normal images scores as high.",
        examples=[0.031],
    )
    anomalous: int | None = Field(description="1 or 0.", examples=[1])
    problem: str | None = Field(description="Why it is unusable.", examples=[None])
    width: int | None = Field(description="Of the upright image, in pixels.", examples=[300])
    height: int | None = Field(description="Of the upright image, in pixels.", examples=[300])
    regions: list[RegionAnswer] | None = Field(
        description="The oddest first, at most 50; null where they were not asked for."
    )
    map: MapAnswer | None = Field(description="Null unless it was asked for.")
    picture: str | None = Field(description="Base64 of a small WebP, null unless asked for.")


class ScoreAnswer(_Answer):
    """What is said of the files of a request, in their order."""

    model: str = Field(examples=["default"])
    sha256: str = Field(description="Of the model's header, which names its other files' hashes.")
    threshold: float = Field(description="Anomalous is what scores above it.", examples=[0.949])
    results: list[ImageAnswer]


class ModelAnswer(_Answer):
    """A model, and what it has seen since it was loaded."""

    name: str
    sha256: str
    method: str
    encoder: str
    threshold: float
    false_alarm_rate: float
    n_source: int
    n_target: int
    verdict: str
    has_maps: bool
    notes: list[str]
    loaded: float = Field(description="Seconds since 1970.")
    waiting: int = Field(description="Images that wait.")
    drift: dict[str, Any] = Field(
        description="`kind`, `p_values`, `warnings` and `advice`, or the `reason` why there is no "
        "test. Each worker tests the images that it is sent."
    )


class NamedModel(_Answer):
    """A model that may be asked for."""

    name: str
    loaded: bool = Field(description="In memory; if not, it is read when it is asked for.")


class ModelsAnswer(_Answer):
    """All models; the first is asked where a request names none."""

    models: list[NamedModel]


class Reloaded(_Answer):
    """What became of one model."""

    name: str
    outcome: Literal["loaded", "unchanged", "refused"]
    sha256: str | None
    problem: str | None


class ReloadAnswer(_Answer):
    """What became of the models that were to be read again."""

    models: list[Reloaded]


class Health(_Answer):
    """How the service stands."""

    status: Literal["ok", "starting", "stopping"]


_TEXTS: Final = {
    400: "The request is damaged.",
    401: "A token is needed.",
    403: "This may not be asked for from there.",
    404: "There is no such model.",
    408: "The body did not come in time.",
    409: "A model could not be read again; the old one goes on.",
    413: "The body or the number of files is over the limit.",
    415: "The body is of another kind.",
    422: "There is no file, or an option is unknown.",
    429: "Too many images wait: try again after the seconds of Retry-After.",
    503: "Not ready, or not done in time: try again after the seconds of Retry-After.",
}


def errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Answers with a sentence, for the document."""
    return {status: {"model": ErrorAnswer, "description": _TEXTS[status]} for status in statuses}


_IMAGE: Final = {"schema": {"type": "string", "format": "binary"}}

BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "description": "One or more files (PNG, JPEG, BMP, TIFF or WebP), or one image as it is.",
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {
                        "file": {
                            "type": "array",
                            "minItems": 1,
                            "items": {"type": "string", "format": "binary"},
                        }
                    },
                }
            },
            "application/octet-stream": _IMAGE,
            "image/*": _IMAGE,
        },
    }
}
"""Of ``POST /v1/score``."""
