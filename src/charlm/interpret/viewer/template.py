"""HTML files that need no other: what every one has, and data that cannot harm it."""

import html
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

STATIC = Path(__file__).parent / "static"


def make_document(*, title: str, css: str, body: str) -> str:
    """Returns an HTML file that asks for nothing from elsewhere, in light and dark.

    The title is text, the body HTML; css follows base.css, which names the colors and
    fonts.
    """
    css = read_static("base.css") + css
    values = {"title": html.escape(title), "css": css, "body": body}
    return fill(read_static("document.html"), values)


def fill(template: str, values: Mapping[str, str]) -> str:
    """Returns the template with each {{name}} replaced by its value."""
    # In one pass: a value may itself contain a {{name}}.
    return re.sub(r"\{\{(\w+)\}\}", lambda match: values[match[1]], template)


def read_static(name: str) -> str:
    return (STATIC / name).read_text(encoding="utf-8")


def as_json(data: Any) -> str:
    """Returns JSON that cannot end the script element it stands in, nor begin one."""
    text = json.dumps(data, allow_nan=False, separators=(",", ":"))
    return re.sub("[<>&]", lambda match: f"\\u{ord(match[0]):04x}", text)
