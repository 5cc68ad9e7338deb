"""Check the finished site: its links have targets, and it loads nothing from elsewhere.

Sphinx checks the links that pages contain, but not those that are made from names and
sources, nor what a theme includes.
"""

from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import attrs
from sphinx.application import Sphinx
from sphinx.util.logging import getLogger


@attrs.define
class Page(HTMLParser):
    """A page's anchors, links, and the files that a browser loads to show it."""

    path: Path
    anchors: set[str] = attrs.field(factory=set[str])
    links: list[str] = attrs.field(factory=list[str])
    fetched: list[str] = attrs.field(factory=list[str])

    def __attrs_post_init__(self) -> None:
        super().__init__()
        self.feed(self.path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Store the anchor and the links of a tag."""
        found = {name: text or "" for name, text in attrs}
        self.anchors.add(found.get("id", ""))
        if "src" in found or (tag == "link" and "href" in found):
            self.fetched.append(found.get("src") or found["href"])
        elif "href" in found:
            self.links.append(found["href"])


def check(app: Sphinx, exception: Exception | None) -> None:
    """Warn about every broken link at the end of a build of the site."""
    if exception is not None or app.builder.format != "html":
        return
    pages = {path: Page(path) for path in sorted(Path(app.outdir).rglob("*.html"))}
    for page in pages.values():
        for wrong in _wrong(page, pages):
            place = page.path.relative_to(app.outdir)
            getLogger(__name__).warning("%s: %s", place, wrong)


def _wrong(page: Page, pages: dict[Path, Page]) -> Iterator[str]:
    for link in [*page.links, *page.fetched]:
        parts = urlsplit(link)
        if parts.scheme or parts.netloc:
            if link in page.fetched:
                yield f"loads from another site: {link}"
            continue
        target = (page.path.parent / unquote(parts.path)).resolve()
        target = target if parts.path else page.path
        if not target.exists():
            yield f"links to a missing file: {link}"
        elif not _has(pages.get(target), unquote(parts.fragment)):
            yield f"links to a missing anchor: {link}"


def _has(page: Page | None, anchor: str) -> bool:
    return not anchor or page is None or anchor in page.anchors


def setup(app: Sphinx) -> dict[str, bool]:
    """Add it to a build."""
    app.connect("build-finished", check)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
