"""The page itself: a template, a style sheet and scripts, put together into one file.

The scripts are plain JavaScript, read in the order of :data:`SCRIPTS`; nothing is built. A content
security policy lets exactly these scripts and this style in, by their hashes, and nothing else: no
network, no other script, whatever a file name may hold.
"""

from __future__ import annotations

import base64
import hashlib
import json
from importlib.resources import files
from typing import Any

from twofold.errors import MissingExtraError

__all__ = ["SCRIPTS", "data_text", "render", "require_jinja"]

SCRIPTS = (
    "common.js",
    "heat.js",
    "gallery.js",
    "viewer.js",
    "threshold.js",
    "places.js",
    "main.js",
)
STYLE = "style.css"
TEMPLATE = "page.html.j2"

# In a script element, so that no text can end it or begin a comment. All that is not ASCII, such as
# the line ends of Unicode, is escaped by JSON's own writer.
_ESCAPES = {ord(sign): f"\\u{ord(sign):04x}" for sign in "<>&"}


def require_jinja() -> None:
    """Refuse early where the template cannot be filled in.

    Raises:
        MissingExtraError: jinja2 is not installed.
    """
    try:
        import jinja2  # noqa: F401, PLC0415 - an optional dependency
        import markupsafe  # noqa: F401, PLC0415 - its text type
    except ImportError:
        raise MissingExtraError("a report needs jinja2: pip install 'twofold[report]'") from None


def data_text(data: Any) -> str:
    """Data as JSON that may stand in a script element."""
    text = json.dumps(data, allow_nan=False, separators=(",", ":"))
    return text.translate(_ESCAPES)


def render(*, data: Any, **parts: Any) -> str:
    """The page.

    Args:
        data: what the scripts read, plain JSON content.
        parts: what the template names; every text is escaped.

    Raises:
        MissingExtraError: jinja2 is not installed.
    """
    require_jinja()
    from jinja2 import Environment, FunctionLoader, StrictUndefined  # noqa: PLC0415
    from markupsafe import Markup  # noqa: PLC0415

    script = "\n".join(_own(name) for name in SCRIPTS)
    style = _own(STYLE)
    environment = Environment(
        loader=FunctionLoader(_own),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    # Ours, not a user's: they hold no text of any file, and escaping would change their hashes.
    own = {name: Markup(text) for name, text in (("script", script), ("style", style))}  # noqa: S704
    return environment.get_template(TEMPLATE).render(
        **parts,
        **own,
        data=Markup(data_text(data)),  # noqa: S704 - escaped for a script element
        script_hash=_hash(script),
        style_hash=_hash(style),
    )


def _own(name: str) -> str:
    """The text of a file of this package."""
    return files(__name__).joinpath(name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    """As a content security policy names an inline script or style."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")
