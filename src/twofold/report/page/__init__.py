"""The page itself: a template, a style sheet and scripts, put together into one file.

The scripts are plain JavaScript, read in the order of :data:`SCRIPTS`; nothing is built. A content
security policy lets exactly these scripts and this style in, by their hashes, and nothing else: no
network, no other script, whatever a file name may hold.
"""

from __future__ import annotations

from typing import Any

from twofold import pages
from twofold.pages import data_text, policy_hash, read_own, templates, trusted

__all__ = ["SCRIPTS", "data_text", "render", "require_jinja"]

SCRIPTS = (
    "common.js",
    "heat.js",
    "gallery.js",
    "viewer.js",
    "threshold.js",
    "places.js",
    "keys.js",
    "main.js",
)
STYLE = "style.css"
TEMPLATE = "page.html.j2"


def require_jinja() -> None:
    """Refuse early where the template cannot be filled in.

    Raises:
        MissingExtraError: jinja2 is not installed.
    """
    pages.require_jinja("a report", "report")


def render(*, data: Any, **parts: Any) -> str:
    """The page.

    Args:
        data: what the scripts read, plain JSON content.
        parts: what the template names; every text is escaped.

    Raises:
        MissingExtraError: jinja2 is not installed.
    """
    require_jinja()
    script = "\n".join(read_own(__name__, name) for name in SCRIPTS)
    style = read_own(__name__, STYLE)
    # Ours, not a user's: they hold no text of any file, and escaping would change their hashes.
    own = {name: trusted(text) for name, text in (("script", script), ("style", style))}
    return (
        templates(__name__)
        .get_template(TEMPLATE)
        .render(
            **parts,
            **own,
            data=trusted(data_text(data)),
            script_hash=policy_hash(script),
            style_hash=policy_hash(style),
        )
    )
