"""Comparison of encoded rows."""

from __future__ import annotations

import numpy as np

from twofold.encoders.encode import EncodedImages

ALL = ("pooled", "stride8", "split:last_stage")


def assert_rows(found: EncodedImages, reference: EncodedImages, rows: list[int]) -> None:
    """The found images are the given rows of the reference, bit by bit."""
    assert found.names == tuple(reference.names[row] for row in rows)
    assert found.digests == tuple(reference.digests[row] for row in rows)
    assert found.arrays.keys() == reference.arrays.keys()
    for output, array in found.arrays.items():
        assert array.dtype == np.float32
        np.testing.assert_array_equal(array, reference[output][rows], err_msg=output)
