"""The keys of ``detector.json``, checked as they are read."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from twofold.detector.kept_graph import GraphHeader
from twofold.detector.kept_mask import MaskKind
from twofold.detector.learning import FittedOn
from twofold.thresholds import Origin, Rule, ScoreScale

__all__ = ["EncoderHeader", "Header", "TailHeader", "ThresholdHeader"]

Finite = Annotated[float, Field(allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1)]


class EncoderHeader(BaseModel):
    """What the model looks through."""

    model_config = ConfigDict(extra="forbid", strict=True)

    id: str
    weights_sha256: str = Field(pattern="^[0-9a-f]{64}$")
    fingerprint: str
    embedded: bool
    # Output -> digest of its specification. Models of before the first release have none.
    outputs: dict[str, str] = Field(default_factory=dict)


class TailHeader(BaseModel):
    """See :class:`twofold.thresholds.Tail`."""

    model_config = ConfigDict(extra="forbid", strict=True)

    start: Finite
    reach: float = Field(gt=0, allow_inf_nan=False)
    share: float = Field(gt=0, lt=1)


class ThresholdHeader(BaseModel):
    """The decision rule."""

    model_config = ConfigDict(extra="forbid", strict=True)

    value: Finite
    false_alarm_rate: float = Field(gt=0, lt=1)
    origin: Origin
    requested_rate: float = Field(gt=0, lt=1)
    interval: tuple[Share, Share]
    rule: Rule
    n_images: int = Field(ge=1)
    n_groups: int = Field(ge=1)
    n_kept: int = Field(ge=1)
    scale: ScoreScale
    # The bound on the normals' tail, or none. Older models do not say.
    tail: TailHeader | None = None


class Header(BaseModel):
    """The user part of ``detector.json``."""

    model_config = ConfigDict(extra="forbid", strict=True)

    method: str
    configuration: dict[str, Any]
    encoder: EncoderHeader
    threshold: ThresholdHeader
    evidence: dict[str, Any]
    random_state: int
    versions: dict[str, str]
    # Models of before the first release have neither.
    revision: int = 1
    bit_depth: int | None = Field(default=None, ge=9, le=16)
    calibration: Rule = "tail"
    # Only where there were masks: kept in the arrays, or not kept as they went by name.
    mask: MaskKind | None = None
    # Only where either is known.
    fitted_on: FittedOn | None = None
    # Only of an exported model.
    graph: GraphHeader | None = None
