"""Libraries that are imported when they are first used."""

from __future__ import annotations

import subprocess
import sys

import pytest

from twofold.deferred import deferred, importing


def test_it_gives_what_the_module_has() -> None:
    found = deferred("xml.dom.minidom")
    assert "xml.dom.minidom" in repr(found)
    assert found.parseString("<a/>").documentElement.tagName == "a"


def test_nothing_is_imported_before_it_is_used() -> None:
    code = (
        "import sys; from twofold.deferred import deferred; found = deferred('wave');"
        "print('wave' in sys.modules); found.open; print('wave' in sys.modules)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.split() == ["False", "True"]


def test_a_module_that_is_not_there_says_so_at_the_first_use() -> None:
    missing = deferred("twofold_no_such_module")
    with pytest.raises(ImportError, match="twofold_no_such_module"):
        _ = missing.anything
    with pytest.raises(AttributeError, match="no_such_function"):
        _ = deferred("math").no_such_function


def test_modules_are_imported_while_something_waits() -> None:
    code = """if True:
        import sys
        from twofold.deferred import importing
        with importing("wave", "twofold_no_such_module", "stringprep"):
            pass
        print("wave" in sys.modules, "stringprep" in sys.modules)
    """
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (said.stdout.split(), said.stderr) == (["True", "True"], "")
    with pytest.raises(KeyError), importing("colorsys"):
        raise KeyError
