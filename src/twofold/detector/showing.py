"""Pictures of what a fitted detector finds, for notebooks, and the page about it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from twofold.deferred import deferred
from twofold.detector.maps import ImageMap, reduced
from twofold.detector.resident import Resident
from twofold.detector.scores import Scores
from twofold.errors import ConfigError, ImageSourceError, UsageError
from twofold.images import ImageInput, ImageSet

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from twofold import figures
    from twofold.detector import regions
    from twofold.detector.regions import Region
    from twofold.report import Labels, ReportFile
else:
    figures = deferred("twofold.figures")
    regions = deferred("twofold.detector.regions")

__all__ = ["Showing"]

# Longest side of a picture in a figure, and of one in a gallery: what a notebook's page resolves.
_LARGE, _SMALL = 1024, 384
_INCHES = 2.4


class Showing(Resident):
    """Shows images with what is odd in them."""

    def show(self, image: ImageInput, *, ax: Axes | None = None) -> Axes:
        """Draw one image with its anomaly map, the boxes of its regions and its score.

        Args:
            image: one, in any form that ``score`` takes.
            ax: of matplotlib, to draw on; None makes a figure, which a notebook shows.

        Returns:
            What was drawn on. An anomalous image has a thick frame; above it are its name, the
            decision, the score and its percentile among the fit's images. A solid box is a region
            beyond the false-alarm rate; a dashed one stands out as much as the oddest region of a
            normal image.

        Raises:
            NotFittedError: before ``fit``.
            UsageError: there is not one image.
            ImageSourceError: it is unusable.
            MissingExtraError: matplotlib is not installed.
        """
        figures.require_matplotlib()
        self._require_fitted()
        found = self._find(image)
        if len(found) != 1:
            raise UsageError(f"show draws one image, not {len(found)}: use gallery")
        scores, pictures = self._pictures(found, _LARGE)
        if not pictures:
            reason = scores.problems[0].reason if scores.problems else "it has gone"
            raise ImageSourceError(f"{found.names[0]}: {reason}")
        return pictures[0].draw(scores, ax)

    def gallery(self, images: ImageInput, *, n: int = 12, columns: int = 4) -> Figure:
        """Draw the most anomalous of a set of images as :meth:`show` does, the oddest first.

        Args:
            images: to judge; unusable ones are left out.
            n: pictures, at most.
            columns: of them side by side.

        Raises:
            NotFittedError: before ``fit``.
            ConfigError: ``n`` or ``columns`` is no positive whole number.
            ImageSourceError: there are no images, or none is usable.
            MissingExtraError: matplotlib is not installed.
        """
        for name, value in (("n", n), ("columns", columns)):
            if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
                raise ConfigError(f"{name} must be a positive whole number, not {value!r}")
        figures.require_matplotlib()
        self._require_fitted()
        found = self._find(images)
        scores = self.score(found)
        order = np.argsort(-scores.scores, kind="stable")[: min(n, int(scores.usable.sum()))]
        if not len(order):
            raise ImageSourceError("none of the images can be used")
        scores, pictures = self._pictures(found.subset(order), _SMALL)
        rows = -(-len(pictures) // columns)
        figure, panels = figures.new_axes(rows, columns, (_INCHES * columns, 1.25 * _INCHES * rows))
        for picture, panel in zip(pictures, panels, strict=False):
            picture.draw(scores, panel)
        for panel in panels[len(pictures) :]:
            panel.set_axis_off()
        return figure

    def report(
        self,
        images: ImageInput,
        out: str | Path,
        *,
        labels: Labels | None = None,
        model: str | Path | None = None,
    ) -> ReportFile:
        """Judge images and write a page about them; see :func:`twofold.report.write_report`."""
        # The page is a layer above: this method is a door to it, and nothing here rests on it.
        from twofold.report import write_report  # noqa: PLC0415

        return write_report(self, images, out, labels=labels, model=model)  # type: ignore[arg-type]

    def _pictures(self, images: ImageSet, side: int) -> tuple[Scores, list[_Picture]]:
        """Scores, and the usable images as pictures; one decoded original in memory at a time."""
        pictures: list[_Picture] = []
        if not self.method_.config.has_maps():
            scores, whole = self.score(images), images.masked(None)
            for row in np.flatnonzero(scores.usable).tolist():
                image = whole.load(row).decode()
                pictures.append(_Picture(row, reduced(image, side), image.size))
            return scores, pictures
        low, high = self.method_.map_range()
        scale = self.method_.region_scale()
        rate = regions.check_region_rate(self.false_alarm_rate)

        def add(item: ImageMap) -> None:
            if item.image is not None:
                boxes = regions.image_regions(item, scale, rate).regions
                picture = item.picture(low, high, side)
                pictures.append(_Picture(item.row, picture, item.image.size, boxes))

        return self.score(images, each_map=add), pictures


@dataclass(frozen=True)
class _Picture:
    """An image as it is shown: a small copy with its map, and boxes in the original's pixels."""

    row: int
    small: Image.Image
    size: tuple[int, int]
    boxes: tuple[Region, ...] = ()

    def draw(self, scores: Scores, ax: Axes | None) -> Axes:
        """With its name and what was decided."""
        flagged = bool(scores.anomalous[self.row] == 1)
        return figures.plot_image(
            self.small,
            size=self.size,
            title=(
                f"{_short(scores.names[self.row])}\n"
                f"{'anomalous' if flagged else 'normal'}: {scores.scores[self.row]:.3g}, "
                f"percentile {scores.percentiles[self.row]:.3g}"
            ),
            boxes=self.boxes,
            flagged=flagged,
            ax=ax,
        )


def _short(name: str, most: int = 40) -> str:
    """The last part of a path, without its middle if it is long."""
    last = name.replace("\\", "/").rpartition("/")[2] or name
    return last if len(last) <= most else f"{last[: most // 2 - 1]}…{last[-most // 2 :]}"
