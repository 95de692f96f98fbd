"""The page of the service: the report's gallery, viewer and threshold, for images dropped on it.

Its scripts are those of :mod:`twofold.report.page`, but for the one that asks the service. The page
itself tells nothing of models: what it shows it asks for, with a token where one is needed.
"""

from __future__ import annotations

from functools import cache
from typing import Any, Final

from twofold.pages import (
    data_text,
    policy_hash,
    read_own,
    require_jinja,
    templates,
    trusted,
)
from twofold.report import page as report_page

__all__ = ["page_policy", "render"]

_REPORT: Final = report_page.__name__
# All but the one that takes a report's data as a whole.
_SHARED: Final = tuple(name for name in report_page.SCRIPTS if name != "main.js")
_EMPTY: Final[dict[str, Any]] = {
    "threshold": {"value": 0, "near": 0},
    "gridShape": None,
    "alike": None,
    "labels": None,
    "places": None,
    "normals": [],
    **{
        name: []
        for name in (
            *("names", "links", "scores", "percentiles", "pValues", "problems"),
            *("grids", "boxes", "pictures"),
        )
    },
}
"""Before the first image: lists that grow, in the form of a report's data."""


@cache
def _parts() -> tuple[str, str]:
    """Script and style."""
    script = "\n".join(
        [*(read_own(_REPORT, name) for name in _SHARED), read_own(__name__, "drop.js")]
    )
    return script, read_own(_REPORT, report_page.STYLE) + read_own(__name__, "drop.css")


def page_policy() -> str:
    """The content security policy: the page's own script and style, and this service's answers."""
    script, style = map(policy_hash, _parts())
    return (
        f"default-src 'none'; script-src '{script}'; style-src '{style}'; img-src data:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


def render() -> str:
    """The page.

    Raises:
        MissingExtraError: jinja2 is not installed.
    """
    require_jinja("the page of the service", "serve")
    script, style = map(trusted, _parts())
    template = templates(__name__).get_template("drop.html.j2")
    return template.render(script=script, style=style, data=trusted(data_text(_EMPTY)))
