"""Lines of the file of marks: any text goes in and comes out, wherever the file is cut."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twofold.errors import UsageError
from twofold.marks.lines import HEADER, Line, parse, whole_length

# Names pass through `printable` before they come here: text that UTF-8 holds.
TEXT = st.text(st.characters(codec="utf-8"), max_size=20)
NUMBER = st.none() | st.floats(0, 1e9).map(float)
LINES = st.builds(
    Line,
    image=TEXT.filter(bool),
    mark=st.sampled_from(("normal", "anomalous", "unsure", "undo")),
    weight=NUMBER,
    time=TEXT,
    reviewer=TEXT,
    seconds=NUMBER,
    stratum=TEXT,
    stratum_size=st.none() | st.integers(0, 10**6),
    probability=NUMBER,
    score=NUMBER,
    sha256=TEXT,
)


@pytest.mark.slow
@settings(deadline=None, max_examples=60)
@given(st.lists(LINES, max_size=4))
def test_any_text_is_read_back(lines: list[Line]) -> None:
    content = "".join(line.text() for line in lines).encode()
    assert whole_length(content) == len(content)
    assert parse(content) == lines


@settings(deadline=None, max_examples=60)
@given(LINES, LINES, st.floats(0, 1, exclude_max=True))
def test_a_file_cut_anywhere_keeps_its_whole_lines(first: Line, last: Line, where: float) -> None:
    """Unless the torn line holds another one inside its quotes, which is refused instead."""
    whole, torn = first.text().encode(), last.text().encode()
    content = HEADER.encode() + whole + torn[: math.floor(where * len(torn))]
    try:
        end = whole_length(content)
    except UsageError:
        assert torn.count(b"\n") > 1
        return
    assert end == len(HEADER) + len(whole)
    assert parse(content[len(HEADER) : end]) == [first]


def test_numbers_of_lines_count_line_breaks_in_names() -> None:
    content = Line("a\nb\nc", "normal").text() + "a,b\n"
    with pytest.raises(UsageError, match="line 5: 2 fields instead of 11"):
        parse(content.encode(), first_line=2)
    with pytest.raises(UsageError, match="line 2: not UTF-8 text"):
        parse(b"\n\xff\n")
