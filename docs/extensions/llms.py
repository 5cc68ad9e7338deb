"""Write `llms.txt`, and all pages as one text, for language models and other programs.

Part of the text build, which puts a `page.txt` next to each `page.html`: it
includes the reference, as generated from the docstrings. The format is llmstxt.org.
"""

from collections.abc import Iterator
from pathlib import Path

from docutils import nodes
from sphinx.addnodes import toctree
from sphinx.application import Sphinx


def write(app: Sphinx, exception: Exception | None) -> None:
    """Write both files at the end of a text build."""
    if exception is not None or app.builder.name != "text":
        return
    index = "\n".join([*_head(app), *_lists(app), ""])
    (app.outdir / "llms.txt").write_text(index, encoding="utf-8")
    whole = "\n\n".join(_text(app.outdir, name) for name in _pages(app))
    (app.outdir / "llms-full.txt").write_text(whole, encoding="utf-8")


def _trees(app: Sphinx) -> list[toctree]:
    return list(app.env.get_doctree(app.config.root_doc).findall(toctree))


def _pages(app: Sphinx) -> Iterator[str]:
    yield app.config.root_doc
    for tree in _trees(app):
        yield from tree["includefiles"]


def _text(folder: Path, name: str) -> str:
    return (folder / f"{name}.txt").read_text(encoding="utf-8")


def _head(app: Sphinx) -> Iterator[str]:
    yield f"# {app.config.project}\n"
    yield f"> {_summary(app, app.config.root_doc)}\n"
    yield "All of these pages in one: [llms-full.txt](llms-full.txt)"


def _lists(app: Sphinx) -> Iterator[str]:
    for tree in _trees(app):
        yield f"\n## {tree['caption']}\n"
        for name in tree["includefiles"]:
            title = app.env.titles[name].astext()
            yield f"- [{title}]({name}.txt): {_summary(app, name)}"


def _summary(app: Sphinx, name: str) -> str:
    """Return the first sentence of a page."""
    for paragraph in app.env.get_doctree(name).findall(nodes.paragraph):
        text = " ".join(paragraph.astext().split())
        return text.partition(". ")[0].rstrip(".:") + "."
    return ""


def setup(app: Sphinx) -> dict[str, bool]:
    """Add it to a build."""
    app.connect("build-finished", write)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
