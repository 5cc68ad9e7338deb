"""Hold the finished site against itself: its links lead somewhere, nothing is fetched.

Sphinx looks at the links that pages write, and not at those that are made of names and
sources, nor at what a theme brings along.
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
    """A page's anchors, links, and what a browser fetches to show it."""

    path: Path
    anchors: set[str] = attrs.field(factory=set[str])
    links: list[str] = attrs.field(factory=list[str])
    fetched: list[str] = attrs.field(factory=list[str])

    def __attrs_post_init__(self) -> None:
        super().__init__()
        self.feed(self.path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take what counts out of a tag."""
        told = {name: text or "" for name, text in attrs}
        self.anchors.add(told.get("id", ""))
        if "src" in told or (tag == "link" and "href" in told):
            self.fetched.append(told.get("src") or told["href"])
        elif "href" in told:
            self.links.append(told["href"])


def check(app: Sphinx, exception: Exception | None) -> None:
    """Warn of what is wrong at the end of a build of the site."""
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
                yield f"fetches from elsewhere: {link}"
            continue
        target = (page.path.parent / unquote(parts.path)).resolve()
        target = target if parts.path else page.path
        if not target.exists():
            yield f"links to nothing: {link}"
        elif not _has(pages.get(target), unquote(parts.fragment)):
            yield f"links to no such place: {link}"


def _has(page: Page | None, anchor: str) -> bool:
    return not anchor or page is None or anchor in page.anchors


def setup(app: Sphinx) -> dict[str, bool]:
    """Add it to a build."""
    app.connect("build-finished", check)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
