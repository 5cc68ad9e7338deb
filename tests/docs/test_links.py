"""Relative links lead somewhere, on a code host and on the site.

Links to other sites are checked on demand: `nox -s docs -- --external`.
"""

import re
from pathlib import Path

import pytest

from tests.docs.pages import ROOT, pages

TEXTS = {
    **dict(pages()),
    "SECURITY.md": ROOT / "SECURITY.md",
    "CHANGELOG.md": ROOT / "CHANGELOG.md",
}
ELSEWHERE = ("http://", "https://", "mailto:")


def prose(path: Path) -> str:
    """Read a page without its code."""
    text = path.read_text(encoding="utf-8")
    text = re.sub(r"^(`{3,}).*?^\1`*$", "", text, flags=re.DOTALL | re.MULTILINE)
    return re.sub(r"`[^`\n]+`", lambda code: re.sub(r"[\[\]]", "", code[0]), text)


def links(path: Path) -> list[str]:
    """List the targets of a page's links and images, those to other sites left out."""
    targets = re.findall(r"\]\(([^)\s]+)\)", prose(path))
    return [target for target in targets if not target.startswith(ELSEWHERE)]


def anchors(path: Path) -> set[str]:
    """List the anchors that a code host makes of a page's headings."""
    headings = re.findall(r"^#+ (.*)$", prose(path), re.MULTILINE)
    return {
        re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in headings
    }


@pytest.mark.parametrize("name", TEXTS)
def test_every_link_leads_somewhere(name: str) -> None:
    """Caught: a page renamed, a heading renamed that another page links to."""
    path = TEXTS[name]
    for link in links(path):
        file, _, anchor = link.partition("#")
        target = (path.parent / file).resolve() if file else path
        assert target.is_relative_to(ROOT), link
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_the_pages_do_link() -> None:
    """Caught: a pattern that no link matches."""
    assert sum(len(links(path)) for path in TEXTS.values()) > 50
    assert "waiting" in anchors(TEXTS["explanation/life-of-a-job.md"])
