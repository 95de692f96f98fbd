"""What pages of one file share: templates, data that stands in them, hashes for their policy."""

from __future__ import annotations

import base64
import hashlib
import json
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from twofold.errors import MissingExtraError

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup

__all__ = ["data_text", "policy_hash", "read_own", "require_jinja", "templates", "trusted"]

# In a script element, so that no text can end it or begin a comment. All that is not ASCII, such as
# the line ends of Unicode, is escaped by JSON's own writer.
_ESCAPES = {ord(sign): f"\\u{ord(sign):04x}" for sign in "<>&"}


def require_jinja(what: str, extra: str) -> None:
    """Refuse early where no template can be filled in.

    Args:
        what: is asked for, such as "a report".
        extra: of the package that brings jinja2.

    Raises:
        MissingExtraError: jinja2 is not installed.
    """
    try:
        import jinja2  # noqa: F401, PLC0415 - an optional dependency
        import markupsafe  # noqa: F401, PLC0415 - its text type
    except ImportError:
        raise MissingExtraError(f"{what} needs jinja2: pip install 'twofold[{extra}]'") from None


def data_text(data: Any) -> str:
    """Data as JSON that may stand in a script element."""
    text = json.dumps(data, allow_nan=False, separators=(",", ":"))
    return text.translate(_ESCAPES)


def read_own(package: str, name: str) -> str:
    """The text of a file that lies in one of our packages."""
    return files(package).joinpath(name).read_text(encoding="utf-8")


def templates(package: str) -> Environment:
    """The templates of one of our packages; every text that they are given is escaped.

    jinja2 must be there: see :func:`require_jinja`.
    """
    from jinja2 import Environment, FunctionLoader, StrictUndefined  # noqa: PLC0415

    return Environment(
        loader=FunctionLoader(lambda name: read_own(package, name)),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def trusted(text: str) -> Markup:
    """Text that a template shall not escape: our own, or what :func:`data_text` returns."""
    from markupsafe import Markup  # noqa: PLC0415

    return Markup(text)  # noqa: S704 - see above


def policy_hash(text: str) -> str:
    """As a content security policy names an inline script or style."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")
