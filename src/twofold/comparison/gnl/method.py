"""GNL: reverse distillation made insensitive to style, and features matched at test time."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field, NonNegativeFloat
from scipy.ndimage import gaussian_filter
from torch import nn
from torch.nn.functional import cosine_similarity, interpolate

from twofold.comparison.gnl.student import Blocks, Student
from twofold.comparison.gnl.teacher import Teacher
from twofold.comparison.gnl.views import GnlObjective, encode_views
from twofold.encoders.encode import EncodedImages
from twofold.errors import ConfigError
from twofold.methods.arrays import load_arrays, module_arrays
from twofold.methods.base import Diagnostics, FitData, Found, Method, MethodConfig, Progress
from twofold.training import UNBOUNDED_GRADIENT, TrainingConfig, local_generator, optimise

__all__ = ["Gnl", "GnlConfig"]

Array = NDArray[np.float64]

# Images per pass when scoring: a fixed shape keeps an image's bits independent of its neighbours.
_BLOCK = 8


class GnlConfig(MethodConfig):
    """The released settings for PACS and MVTec, but for what a CPU needs."""

    # None: the encoder's three finest stage maps, at strides 4, 8 and 16 as in the release.
    teacher_strides: tuple[int, ...] | None = None
    # AugMix versions of each image. A frozen teacher lets them be made and encoded once; each
    # costs as much memory as the originals, so there is one.
    augmix_views: int = Field(default=1, ge=1)
    # The release mirrors its teacher. "plain" has two convolutions a stage: a quarter less time.
    student_blocks: Blocks = "residual"
    # The release's student is as wide as its teacher: 85 million weights behind a WideResNet-50-2
    # or ResNet-50, more than a CPU can train. 256 leaves 7 million, and binds no EfficientNet-Lite.
    student_width: int | None = Field(default=256, ge=1)
    # Of L_ori, L_abs and L_low.
    loss_weights: tuple[NonNegativeFloat, NonNegativeFloat, NonNegativeFloat] = (0.9, 0.05, 0.05)
    student_epochs: int = Field(default=20, ge=1)
    student_max_steps: int | None = Field(default=None, ge=1)  # Bounds the time of a large source.
    student_batch: int = Field(default=16, ge=2)
    student_learning_rate: float = Field(default=0.005, gt=0)  # Of Adam.
    match_keep: float = Field(default=0.5, ge=0, le=1)  # lambda; 1: no matching at test time.
    blur_sigma: float = Field(default=4.0, ge=0)  # Pixels of the anomaly map.
    # Over the anomaly map. The release takes the largest value, for flaws and for classes of
    # objects alike. Where an anomaly is another object it shows in the whole image, and the worst
    # pixel of a student that rebuilds roughly is mostly noise. For small flaws "max" is right.
    image_score: Literal["max", "mean"] = "mean"

    def outputs(self) -> tuple[str, ...]:
        """Views and matching need the images: maps kept for a whole dataset would fill memory."""
        return ("pixels",)


class Gnl(Method):
    """Generalised normality learning (Cao, Zhu and Pang 2023, "Anomaly detection under
    distribution shift"), on the shared encoder.

    A student learns to rebuild the frozen encoder's stage maps of source normals through a compact
    embedding (reverse distillation), the same under AugMix and without colour
    (:func:`twofold.losses.gnl_loss`). At test time each image's finer maps are moved halfway
    towards the distribution of one source normal's. The score is the mean (``image_score``; the
    release: the maximum) of the blurred sum over levels of 1 - cosine between teacher and student.

    The target is never seen. Departures from the release are listed in docs/methods/gnl.md.
    """

    id = "gnl"
    summary = "distillation the same under every style, matched to one source normal at test time"
    revision = 2
    needs = frozenset({"source_reference"})
    Config = GnlConfig
    config: GnlConfig

    def _fit(self, data: FitData, random_state: int, progress: Progress | None) -> Found:
        assert data.source_reference is not None
        if len(data.source_reference) != 1:
            raise ConfigError(f"gnl needs one source_reference, got {len(data.source_reference)}")
        reference = data.source_reference["pixels"][:].astype(np.uint8)[0]
        teacher = Teacher(self.encoder, self.config.teacher_strides)
        pixels = data.source["pixels"]
        training = self._training()
        per_epoch = max(1, len(pixels) // training.batch_source)
        steps = min(training.epochs * per_epoch, training.max_steps or training.epochs * per_epoch)
        total = len(pixels) + steps

        def told(done: int, _: int) -> None:
            if progress is not None:
                progress(done, total)

        views = encode_views(teacher, pixels, self.config.augmix_views, random_state, told)
        generator = local_generator(random_state)
        student = self._student(views.shapes, generator)
        log = optimise(
            student,
            GnlObjective(views, training.batch_source, self.config.loss_weights, generator),
            training,
            steps_per_epoch=per_epoch,
            progress=lambda done, _: told(len(pixels) + done, 0),
            make_optimiser=self._adam,
            after_epoch=self._watched(lambda: self._keep(teacher, student, reference)),
        )
        self._keep(teacher, student, reference)
        return Found(Diagnostics.of_training(log.losses, log.steps))

    def _training(self) -> TrainingConfig:
        config = self.config
        return TrainingConfig(
            epochs=config.student_epochs,
            max_steps=config.student_max_steps,
            batch_source=config.student_batch,
            learning_rate=config.student_learning_rate,
            batch_norm="joint",  # The student starts from nothing, so its statistics are live.
            gradient_clip=UNBOUNDED_GRADIENT,
        )

    def _adam(self, student: nn.Module) -> torch.optim.Optimizer:
        rate = self.config.student_learning_rate
        return torch.optim.Adam(student.parameters(), lr=rate, betas=(0.5, 0.999))

    def _student(
        self, shapes: list[tuple[int, int, int]], generator: torch.Generator | None = None
    ) -> Student:
        return Student(shapes, self.config.student_blocks, self.config.student_width, generator)

    def _keep(self, teacher: Teacher, student: Student, reference: NDArray[np.uint8]) -> None:
        """The fit; the reference's maps follow from its pixels."""
        self.teacher_, self.student_, self.reference_ = teacher, student.eval(), reference
        self._reference_maps = [m[0] for m in teacher.maps(teacher.inputs(reference[None]))]

    def _score(self, images: EncodedImages) -> Array:
        pixels = images["pixels"]
        scores = np.empty(len(pixels))
        for start in range(0, len(pixels), _BLOCK):
            chunk = pixels[start : start + _BLOCK].astype(np.uint8)
            block = np.zeros((_BLOCK, *chunk.shape[1:]), dtype=np.uint8)
            block[: len(chunk)] = chunk
            rows = self._anomaly_maps(block)[: len(chunk)]
            over = rows.max if self.config.image_score == "max" else rows.mean
            scores[start : start + _BLOCK] = over(axis=(1, 2))
        return scores

    @torch.no_grad()
    def _anomaly_maps(self, pixels: NDArray[np.uint8]) -> Array:
        """(n, s, s, 3) -> (n, s, s), larger = more anomalous."""
        inputs = self.teacher_.inputs(pixels)
        maps = self.teacher_.matched(inputs, self._reference_maps, self.config.match_keep)
        decoded = self.student_(maps).decoded
        total = torch.zeros(len(pixels), 1, *pixels.shape[1:3])
        for teacher, student in zip(maps, decoded, strict=True):
            away = 1 - cosine_similarity(teacher, student, dim=1)[:, None]
            # Corners aligned, as the release has it.
            total += interpolate(away, size=total.shape[2:], mode="bilinear", align_corners=True)
        sigma = self.config.blur_sigma
        blurred = gaussian_filter(total[:, 0].double().numpy(), sigma=(0, sigma, sigma))
        return np.asarray(blurred, dtype=np.float64)

    def _state(self) -> dict[str, NDArray[Any]]:
        return {"reference": self.reference_} | module_arrays(self.student_, "student.")

    def _restore(self, state: dict[str, NDArray[Any]]) -> None:
        reference = state.pop("reference")
        side = self.encoder.spec.preprocessing.size
        if reference.shape != (side, side, 3) or reference.dtype != np.uint8:
            raise ValueError(f"reference is {reference.dtype} {reference.shape}")
        teacher = Teacher(self.encoder, self.config.teacher_strides)
        maps = teacher.maps(teacher.inputs(reference[None]))
        student = self._student([(m.shape[1], m.shape[2], m.shape[3]) for m in maps])
        load_arrays(student, state, "student.")
        self._keep(teacher, student, reference)
