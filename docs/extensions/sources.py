"""Show the repository files that a page links to, so that the links work.

On a code host such a link opens the file. The site does not know the address of the
repository, so it has a page for each linked file, and a list for each linked folder.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

from docutils import nodes
from sphinx.addnodes import download_reference, pending_xref
from sphinx.application import Sphinx
from sphinx.builders.html import StandaloneHTMLBuilder

PAGES = Path(__file__).parents[1]
ROOT = PAGES.parent
FOLDER = "source"
LANGUAGES = {".py": "python", ".toml": "toml", ".yaml": "yaml", ".md": "markdown"}

_linked: set[Path] = set()


def page_of(path: Path) -> str:
    """Return the name of the page that shows a file."""
    return f"{FOLDER}/{path.relative_to(ROOT).as_posix()}"


def lead_there(app: Sphinx, page: nodes.document) -> None:
    """Change links to files outside docs/ into links to the pages made from them."""
    docname = app.env.current_document.docname
    folder = app.env.doc2path(docname).parent
    up = "../" * docname.count("/")
    for kind in (download_reference, pending_xref):
        for node in list(page.findall(kind)):
            target = (folder / str(node.get("reftarget"))).resolve()
            if node.get("refdomain") == "doc":
                # Sphinx takes this Markdown file for a page, and it is none.
                target = target.with_name(f"{target.name}.md")
            if node.get("reftype") == "myst" and _is_shown(target):
                _linked.add(target)
                uri = f"{up}{page_of(target)}.html"
                link = nodes.reference("", "", *node.children, refuri=uri)
                node.replace_self(link)


def _is_shown(target: Path) -> bool:
    if target.is_relative_to(PAGES) or not target.is_relative_to(ROOT):
        return False
    if target.is_dir():
        return any(target.glob("*.py"))
    return target.suffix in LANGUAGES and target.is_file()


def pages(app: Sphinx) -> Iterator[tuple[str, dict[str, Any], str]]:
    """Make a page for each linked file, and a list for each linked folder."""
    for path in sorted(_linked):
        listed = sorted(path.glob("*.py"))
        yield _page(path, _list(listed) if listed else _code(app, path))
        yield from (_page(file, _code(app, file)) for file in set(listed) - _linked)


def _page(path: Path, body: str) -> tuple[str, dict[str, Any], str]:
    title = path.relative_to(ROOT).as_posix()
    context = {"title": title, "body": f"<h1><code>{title}</code></h1>{body}"}
    return page_of(path), context, "page.html"


def _list(files: list[Path]) -> str:
    items = (f'<li><a href="{f.parent.name}/{f.name}.html">{f.name}</a>' for f in files)
    return f"<ul>{''.join(items)}</ul>"


def _code(app: Sphinx, path: Path) -> str:
    highlighter = cast("StandaloneHTMLBuilder", app.builder).highlighter
    text = path.read_text(encoding="utf-8")
    return highlighter.highlight_block(text, LANGUAGES[path.suffix], linenos=False)


def setup(app: Sphinx) -> dict[str, bool]:
    """Add it to a build."""
    # This must run before Sphinx collects the files for download.
    app.connect("doctree-read", lead_there, priority=400)
    app.connect("html-collect-pages", pages)
    return {"parallel_read_safe": False, "parallel_write_safe": False}
