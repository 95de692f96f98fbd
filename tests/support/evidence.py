"""Evidence as it may be, for tests of what is said and drawn of it."""

from __future__ import annotations

from twofold.evidence import Evidence, Findings

SHIFTED = Findings(
    shift_auroc=0.9,
    shift_p_value=0.01,
    mmd=0.1,
    mmd_p_value=0.01,
    kinship=0.6,
    kinship_low=0.5,
    kinship_high=0.7,
    dominant_share=0.7,
    stability=(0.9, 0.6, 0.4),
    stability_across=0.9,
    two_modes_p_value=0.5,
    minor_share=0.4,
    minor_share_low=0.35,
    minor_images=("c", "d"),
    distance_skewness=0.3,
    distance_skewness_low=0.1,
    distance_skewness_high=0.5,
    kendall=0.3,
    top_overlap=0.5,
    chance_overlap=0.1,
    most_like_source=("a",),
    least_like_source=("b",),
)
EVIDENCE = Evidence(
    n_source=50,
    n_target=60,
    problems=(),
    n_copies_across=0,
    n_copies_source=0,
    n_copies_target=0,
    threshold_origin="target",
    n_groups=60,
    notes=(),
    verdict="adapt",
    reasons=("a shift",),
)
