"""Insert the project's own SVG pictures into the page, so that they use its colours.

In an `<img>` a picture cannot read which of the site's two themes is active. The
pictures name the theme's colours and have fallbacks for other places.
"""

from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx

# On a narrow screen the picture scrolls, also by the keyboard, and the line says so.
_DRAWING = """\
<div class="drawing"><div tabindex="0">{svg}</div>
<p aria-hidden="true">The picture continues on the right: scroll \u2192</p></div>"""
HERE = Path(__file__).parents[1]


def put_in(app: Sphinx, page: nodes.document, _docname: str) -> None:
    """Replace a page's images that are the project's own drawings."""
    if app.builder.format != "html":
        return
    for image in list(page.findall(nodes.image)):
        path = HERE / str(image["uri"])
        if path.suffix == ".svg" and path.parent.name == "pictures":
            svg = path.read_text(encoding="utf-8")
            drawing = _DRAWING.format(svg=svg)
            image.replace_self(nodes.raw("", drawing, format="html"))


def setup(app: Sphinx) -> dict[str, bool]:
    """Add it to a build."""
    app.connect("doctree-resolved", put_in)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
