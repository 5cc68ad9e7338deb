"""Format docstrings: code as code, types beside names."""

import re

from sphinx.application import Sphinx

# Only the client creates these; a transport is written by the user.
_NOT_CALLED = {
    "Batch",
    "BatchRows",
    "BulkJob",
    "Completions",
    "PageStream",
    "RowStream",
    "SendProgress",
    "Transport",
}
# Defaults whose value has no information.
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
    """Hide the constructors of handles, and defaults without information."""
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
    """Mark an indented block between two paragraphs as code."""
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
    """Emphasise the section on cancellation; move an attribute's type to its name."""
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
    # The first runs before napoleon splits the sections, the second one after it.
    app.connect("autodoc-process-docstring", mark_code, priority=400)
    app.connect("autodoc-process-docstring", tidy, priority=600)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
