"""Check that the search of the site puts the right pages first for some words.

The search lists a page above all others that only mention a word if the word is at
least half of a title, a heading or a main entry (``!``) of the index. The setting
``findable`` has the words, each with the page that must be listed so.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx
from sphinx.util.logging import getLogger

_BEGIN, _END = "Search.setIndex(", ")"


def check(app: Sphinx, exception: Exception | None) -> None:
    """Warn about each word that does not lead to its page."""
    if exception is not None or app.builder.format != "html":
        return
    names = [*_headings(Path(app.outdir, "searchindex.js")), *_entries(app)]
    for word, page in app.config.findable.items():
        found = {
            at
            for name, at in names
            if word in name.lower() and 2 * len(word) >= len(name)
        }
        if page not in found:
            msg = "the search for %r lists %s first, without %s"
            getLogger(__name__).warning(msg, word, sorted(found), page)


def _headings(file: Path) -> Iterator[tuple[str, str]]:
    text = file.read_text(encoding="utf-8").removeprefix(_BEGIN).removesuffix(_END)
    index: dict[str, Any] = json.loads(text)
    for name, places in index["alltitles"].items():
        yield from ((name.lower(), index["docnames"][number]) for number, _ in places)


def _entries(app: Sphinx) -> Iterator[tuple[str, str]]:
    # A second build into the same folder has only those of changed pages in its file.
    for page, entries in app.env.domains.index_domain.entries.items():
        yield from ((name.lower(), page) for _, name, _, main, _ in entries if main)


def setup(app: Sphinx) -> dict[str, bool]:
    """Add it to a build."""
    app.add_config_value("findable", {}, "", dict)
    app.connect("build-finished", check)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
