"""A certificate with known figures, and one whose texts are hostile."""

from __future__ import annotations

from typing import Any

import pytest

from twofold import __version__
from twofold.marks import RATES, Certificate
from twofold.marks.certificate import Bound, Rate, Stratum

HOSTILE = (
    "<img src=x onerror=alert(1)>",
    "</script><script>alert(2)</script>",
    "{{ 7 * 7 }}{% raw %}",
    "a&b;\"c'",
    "\u202egnp.exe",
    "line\nfeed\u2028and\x00nul",
    "endstream\nendobj (\\)",
    "größe",
    "大小 Жук Ωß",
    "שלום عربي हिन्दी",
    "😀",
    "x" * 300,
    "",
)
"""Names of reviewers that are markup, code, or of other scripts."""


def certificate(**changes: Any) -> Certificate:
    """84 of 600 images are marked; the detection rate is 91%."""
    content: dict[str, Any] = {
        "twofold": __version__,
        "created": "2026-01-02T03:04:05Z",
        "model": "a" * 64,
        "threshold": 1.25,
        "requested_false_alarm_rate": 0.05,
        "images": 600,
        "images_sha256": "b" * 64,
        "marks_sha256": "c" * 64,
        "random_state": 7,
        "strata": [
            Stratum(name="below the threshold", images=540, normal=60, anomalous=2),
            Stratum(name="above the threshold", images=60, normal=3, anomalous=19),
        ],
        "unsure": 2,
        "disagreements": 1,
        "reviewers": ["Ann"],
        "first_mark": "2026-01-01T10:00:00Z",
        "last_mark": "2026-01-01T10:20:00+00:00",
        "level": 0.95,
        "rates": {
            name: Rate(value=value, low=value - 0.0904, high=value + 0.05)
            for name, value in zip(RATES, (0.9104, 0.0912, 0.8, 0.1, 0.93), strict=True)
        },
        "bound": Bound(max_missed=0.2, confidence=0.95),
    }
    return Certificate(**(content | changes)).sealed()


@pytest.fixture
def plain() -> Certificate:
    return certificate()


@pytest.fixture
def hostile() -> Certificate:
    text = HOSTILE[1] + "\n大"
    return certificate(
        reviewers=sorted(HOSTILE),
        strata=[Stratum(name=text, images=3, normal=1, anomalous=1)],
        not_tested=[text],
        first_mark=text,
        last_mark="",
        rates={text: Rate(value=None, low=0.0, high=1.0)},
        bound=None,
    )
