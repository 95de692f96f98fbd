from __future__ import annotations

import threading
import warnings

import pytest

from twofold.images.quiet import _FILTERS, quiet


def test_silent_inside_and_loud_outside() -> None:
    for _ in range(2):
        with quiet():
            warnings.warn("inside", stacklevel=1)
        with pytest.warns(UserWarning, match="outside"):
            warnings.warn("outside", stacklevel=1)


def test_one_category_alone() -> None:
    with quiet(DeprecationWarning):
        warnings.warn("inside", DeprecationWarning, stacklevel=1)
        with pytest.warns(UserWarning, match="another"):
            warnings.warn("another", UserWarning, stacklevel=1)
    with pytest.warns(DeprecationWarning, match="outside"):
        warnings.warn("outside", DeprecationWarning, stacklevel=1)


def test_inside_again_and_again() -> None:
    with quiet(), quiet(UserWarning):
        with quiet():
            warnings.warn("inside", stacklevel=1)
        warnings.warn("still inside", stacklevel=1)
    with pytest.warns(UserWarning, match="outside"):
        warnings.warn("outside", stacklevel=1)


def test_filters_set_later_do_not_win() -> None:
    with warnings.catch_warnings():
        for _ in range(5):
            warnings.simplefilter("error")
            with quiet():
                warnings.warn("inside", stacklevel=1)
        grown = len(warnings.filters)
        with quiet():
            pass
        assert len(warnings.filters) == grown
        warnings.resetwarnings()
        with quiet():
            warnings.warn("inside", stacklevel=1)


def test_loud_again_after_an_error() -> None:
    with pytest.raises(ZeroDivisionError), quiet():
        raise ZeroDivisionError
    with pytest.warns(UserWarning, match="outside"):
        warnings.warn("outside", stacklevel=1)


def test_other_threads_stay_loud() -> None:
    inside, done = threading.Event(), threading.Event()

    def stay_inside() -> None:
        with quiet():
            inside.set()
            done.wait(10)

    thread = threading.Thread(target=stay_inside)
    thread.start()
    try:
        assert inside.wait(10)
        with pytest.warns(UserWarning, match="outside"):
            warnings.warn("outside", stacklevel=1)
    finally:
        done.set()
        thread.join()


def test_others_may_copy_the_filters_as_texts() -> None:
    """As scikit-learn does for the workers of a forest; the copy silences nothing."""
    with quiet():
        pass
    matcher = _FILTERS[Warning].matcher
    assert matcher in [entry[1] for entry in warnings.filters]
    with warnings.catch_warnings():
        warnings.resetwarnings()
        warnings.filterwarnings("ignore", message=matcher.pattern)
        with pytest.warns(UserWarning, match="outside"):
            warnings.warn("outside", stacklevel=1)
