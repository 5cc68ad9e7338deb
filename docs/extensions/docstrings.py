"""Show docstrings as they are meant: code as code, types beside names."""

import re

from sphinx.application import Sphinx

# Nobody makes these but the client; a transport is not made, but written.
_NOT_CALLED = {
    "BulkJob",
    "Completions",
    "PageStream",
    "RowStream",
    "SendProgress",
    "Transport",
}
# Defaults whose value says nothing.
_UNSPELLED = re.compile(r"\b(?:NOTHING|Ellipsis)\b|<[^<>]+>")
_ATTRIBUTE, _TYPE = ".. attribute:: ", "   :type: "


def tidy_signature(
    _app: Sphinx,
    _what: str,
    name: str,
    _obj: object,
    _options: object,
    signature: str | None,
    returns: str | None,
) -> tuple[str | None, str | None]:
    """Hide how handles are made, and defaults whose value says nothing."""
    if name.rpartition(".")[2] in _NOT_CALLED:
        return "", None
    return signature and _UNSPELLED.sub("...", signature), returns


def mark_code(
    _app: Sphinx,
    _what: str,
    _name: str,
    _obj: object,
    _options: object,
    lines: list[str],
) -> None:
    """Make code of an indented block that stands between two paragraphs."""
    for place in range(len(lines) - 1, 1, -1):
        before, blank, line = lines[place - 2 : place + 1]
        if line.startswith("    ") and not blank and before[:1].strip():
            lines[place:place] = [".. code-block:: python", ""]


def tidy(
    _app: Sphinx,
    _what: str,
    _name: str,
    _obj: object,
    _options: object,
    lines: list[str],
) -> None:
    """Let what a cancellation leaves be found; put an attribute's type in its place."""
    attribute = 0
    for place, line in enumerate(lines):
        if line.startswith("Cancellation: "):
            lines[place] = line.replace("Cancellation:", "**Cancellation:**", 1)
        if line.startswith(_ATTRIBUTE):
            attribute = place
        if line.startswith(_TYPE):
            lines.insert(attribute + 1, lines.pop(place))


def setup(app: Sphinx) -> dict[str, bool]:
    """Add it to a build."""
    app.connect("autodoc-process-signature", tidy_signature)
    # The one before napoleon takes the sections apart, the other one after it.
    app.connect("autodoc-process-docstring", mark_code, priority=400)
    app.connect("autodoc-process-docstring", tidy, priority=600)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
