"""Evidence: plain counts, and what the user hears about them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tests.support import toy

from twofold.encoders.encode import EncodedImages
from twofold.evidence import ADAPT, NO_SHIFT, NOT_STUDIED, Verdict, collect_evidence
from twofold.images import Problem
from twofold.thresholds import Threshold

THRESHOLD = Threshold(1.0, 0.05, 0.05, (0.01, 0.1), "target", "pool", 30, 30, 30)


def images(*values: int) -> EncodedImages:
    """One image per value; equal values are copies."""
    return toy.from_arrays(pooled=np.array(values, dtype=np.float32)[:, None])


def test_nothing_to_say() -> None:
    evidence = collect_evidence(images(1, 2, 3), images(4, 5), THRESHOLD)
    assert (evidence.n_source, evidence.n_target) == (3, 2)
    assert (evidence.n_copies_across, evidence.n_copies_source, evidence.n_copies_target) == (
        0,
    ) * 3
    assert evidence.notes == ()
    assert evidence.problems == ()
    assert (evidence.threshold_origin, evidence.n_groups) == ("target", 30)


@pytest.mark.parametrize(
    ("source", "target", "counts", "notes"),
    [
        (
            (1, 2, 3),
            (3, 3, 4),
            (2, 0, 1),
            ["2 target image(s) are also", "1 target image(s) repeat"],
        ),
        ((1, 1, 1), (2, 3), (0, 2, 0), ["2 source image(s) repeat"]),
        ((1, 2), (2, 1), (2, 0, 0), ["the same 2 images: is one folder given twice?"]),
        ((1, 2), (1, 2, 3), (2, 0, 0), ["2 target image(s) are also"]),
    ],
)
def test_copies(
    source: tuple[int, ...],
    target: tuple[int, ...],
    counts: tuple[int, int, int],
    notes: list[str],
) -> None:
    evidence = collect_evidence(images(*source), images(*target), THRESHOLD)
    found = (evidence.n_copies_across, evidence.n_copies_source, evidence.n_copies_target)
    assert found == counts
    assert len(evidence.notes) == len(notes)
    for note, expected in zip(evidence.notes, notes, strict=True):
        assert expected in note
        assert "\n" not in note


def test_without_a_target() -> None:
    source = replace(THRESHOLD, origin="source")
    evidence = collect_evidence(images(1, 2), None, source)
    assert (evidence.n_target, evidence.n_copies_across) == (0, 0)
    assert evidence.threshold_origin == "source"
    assert len(evidence.notes) == 1
    assert "false-alarm rate is unknown" in evidence.notes[0]


def test_images_that_count_together_are_said() -> None:
    few = replace(THRESHOLD, n_groups=12, n_kept=12)
    evidence = collect_evidence(images(1, 2), images(3, 4), few)
    assert evidence.n_groups == 12
    assert evidence.notes == (
        "the 30 target images count as 12: the others repeat them, or belong to the same group",
    )


def test_a_rate_that_the_images_cannot_support_is_said() -> None:
    short = replace(THRESHOLD, requested_rate=0.01, false_alarm_rate=1 / 31)
    evidence = collect_evidence(images(1, 2), images(3, 4), short)
    assert evidence.notes == (short.note,)
    assert short.note == (
        "a false-alarm rate of 0.01 needs 99 independent target images that may be normal, and "
        "there are 30: the threshold is the strictest that they allow, for a rate of 0.0323"
    )
    # Of groups and rate, both; the unknown rate on the target comes last.
    every = replace(short, n_groups=12, n_kept=12, origin="source")
    notes = collect_evidence(images(1, 2), images(3, 4), every).notes
    assert [note.split()[0:2] for note in notes] == [
        ["the", "30"],
        ["a", "false-alarm"],
        ["the", "threshold"],
    ]
    assert all("\n" not in note for note in notes)


def test_problems_of_both_folders() -> None:
    one, two = Problem("a.png", "empty file"), Problem("b.png", "not an image")
    source = replace(images(1, 2), problems=(one,))
    target = replace(images(3, 4), problems=(two,))
    assert collect_evidence(source, target, THRESHOLD).problems == (one, two)
    assert collect_evidence(source, None, THRESHOLD).problems == (one,)


def test_what_was_not_studied_says_so() -> None:
    evidence = collect_evidence(images(1, 2, 3), images(4, 5), THRESHOLD)
    assert (evidence.verdict, evidence.reasons, evidence.findings) == (NOT_STUDIED, (), None)
    assert evidence.choices == {}


def test_a_verdict_other_than_adapt_is_the_first_note() -> None:
    against = Verdict(NO_SHIFT, ("they look alike", "and so on"))
    evidence = collect_evidence(images(1, 2, 3), images(3, 4), THRESHOLD, verdict=against)
    assert (evidence.verdict, evidence.reasons) == (against.verdict, against.reasons)
    assert evidence.notes == (
        "no shift: source detector suffices (they look alike; and so on)",
        "1 target image(s) are also in the source: they count twice",
    )
    given = {"weight": 0.5}
    trusted = Verdict(ADAPT, ("a shift",))
    evidence = collect_evidence(
        images(1, 2, 3), images(4, 5), THRESHOLD, verdict=trusted, choices=given
    )
    assert (evidence.verdict, evidence.reasons, evidence.notes) == (ADAPT, ("a shift",), ())
    assert evidence.choices == given
    assert evidence.choices is not given
