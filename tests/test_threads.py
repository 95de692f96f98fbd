"""One thread while it is asked for, and as many as before afterwards."""

from __future__ import annotations

from threadpoolctl import threadpool_info

from twofold.threads import one_thread


def counts() -> list[int]:
    return [int(pool["num_threads"]) for pool in threadpool_info() if pool["user_api"] == "blas"]


def test_one_thread_inside_and_as_before_outside() -> None:
    before = counts()
    assert before
    with one_thread():
        assert set(counts()) == {1}
        with one_thread():
            assert set(counts()) == {1}
        assert set(counts()) == {1}
    assert counts() == before
