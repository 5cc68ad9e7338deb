"""The frame and the colours that all drawings share.

On the site a drawing is part of the page and uses the theme's colours; anywhere else it
uses the colours of the reader's system.
"""

from collections.abc import Iterable
from html import escape

BOX_WIDTH, BOX_HEIGHT = 126, 44
_STYLE = """\
.drawn { --ink: #1f2328; --quiet: #59636e; --paper: #f6f8fa; --edge: #c4ccd4;
  --first: #0a66c2; --second: #b35900; --third: #7a3fc4; --good: #1a7f37;
  font: 15px system-ui, -apple-system, "Segoe UI", "Helvetica Neue", Arial, sans-serif }
@media (prefers-color-scheme: dark) { .drawn { --ink: #e6edf3; --quiet: #9aa4af;
  --paper: #161b22; --edge: #444c56; --first: #6cb6ff; --second: #f0a355;
  --third: #c297ff; --good: #57ab5a } }
.drawn text { fill: var(--color-foreground-primary, var(--ink)) }
.drawn text.quiet { fill: var(--color-foreground-secondary, var(--quiet)) }
.drawn text.small { font-size: 13px }
.drawn text.code { font-family: ui-monospace, Menlo, Consolas, monospace }
.drawn .paper { fill: var(--color-background-secondary, var(--paper)) }
.drawn .box { fill: var(--color-background-primary, var(--paper)) }
.drawn .box, .drawn .line { stroke: var(--color-foreground-secondary, var(--quiet)) }
.drawn .edge { stroke: var(--color-background-border, var(--edge)) }
.drawn .line, .drawn .edge, .drawn .graph { fill: none; stroke-width: 1.5 }
.drawn .missed { stroke-dasharray: 5 5 }
.drawn .tip { fill: var(--color-foreground-secondary, var(--quiet)) }
.drawn .first { fill: var(--first); stroke: var(--first) }
.drawn .second { fill: var(--second); stroke: var(--second) }
.drawn .third { fill: var(--third); stroke: var(--third) }
.drawn .good { fill: var(--good); stroke: var(--good) }
.drawn text.first, .drawn text.second, .drawn text.third, .drawn text.good {
  stroke: none }
.drawn text.first { fill: var(--first) }
.drawn text.second { fill: var(--second) }
.drawn text.third { fill: var(--third) }
.drawn text.good { fill: var(--good) }
.drawn .graph { fill: none; stroke-width: 2 }
"""


def drawing(width: int, height: int, about: str, parts: Iterable[str]) -> str:
    """Return the SVG of a frame with these parts.

    Args:
        width: The width, in the units of the parts.
        height: The height, in the same units.
        about: A description for readers who cannot see it.
        parts: The parts, the lowest first.
    """
    head = (
        f'<svg class="drawn" xmlns="http://www.w3.org/2000/svg" role="img" '
        f'width="{width}" height="{height}" viewBox="0 0 {width} {height}">'
    )
    ground = f'<rect class="paper" width="{width}" height="{height}" rx="8"/>'
    lines = [
        head,
        f"<title>{escape(about)}</title>",
        f"<style>\n{_STYLE}</style>",
        ground,
        *parts,
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def text(x: float, y: float, words: str, kind: str = "", anchor: str = "start") -> str:
    """Return a text; ``anchor`` decides whether it starts, ends or is centred at x."""
    return (
        f'<text x="{x:g}" y="{y:g}" class="{kind}" text-anchor="{anchor}">'
        f"{escape(words)}</text>"
    )


def line(points: Iterable[tuple[float, float]], kind: str = "line") -> str:
    """Return a line of straight segments."""
    places = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return f'<polyline class="{kind}" points="{places}"/>'


def box(word: str, x: float, y: float) -> str:
    """Return a box with a word of code, both centred at a point."""
    left, top = x - BOX_WIDTH / 2, y - BOX_HEIGHT / 2
    rect = (
        f'<rect class="box" x="{left:g}" y="{top:g}" width="{BOX_WIDTH}" '
        f'height="{BOX_HEIGHT}" rx="8"/>'
    )
    return rect + text(x, y + 5, word, "code", "middle")


def arrow(
    start: tuple[float, float], end: tuple[float, float], kind: str = "line"
) -> str:
    """Return a straight arrow from a point to another."""
    across, down = end[0] - start[0], end[1] - start[1]
    length = (across**2 + down**2) ** 0.5
    way = (across / length, down / length)
    stop = (end[0] - 9 * way[0], end[1] - 9 * way[1])
    return line([start, stop], kind) + tip(end, way)


def tip(end: tuple[float, float], way: tuple[float, float]) -> str:
    """Return the tip of an arrow that comes from a direction."""
    (x, y), (across, down) = end, way
    back = (x - 10 * across, y - 10 * down)
    points = [
        end,
        (back[0] - 4.5 * down, back[1] + 4.5 * across),
        (back[0] + 4.5 * down, back[1] - 4.5 * across),
    ]
    places = " ".join(f"{px:.1f},{py:.1f}" for px, py in points)
    return f'<polygon class="tip" points="{places}"/>'
