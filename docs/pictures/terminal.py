"""The final screen of the demo, as a terminal shows it.

The demo runs for this without pauses; its rows, bills and times are the same on every
machine.
"""

import io
import re
from html import unescape
from pathlib import Path

import anyio
from rich.console import Console
from rich.terminal_theme import TerminalTheme

from openfunnel_async.cli._commands.demo.command import (
    find_differences,
    merge_rows,
    summarize,
)
from openfunnel_async.cli._commands.demo.display import INTRODUCTION, draw_table
from openfunnel_async.cli._commands.demo.scenario import DemoJob, make_sandbox, play

WIDTH = 92
TITLE = "openfunnel-async demo"
ALT = (
    "Three jobs in a table. One completed and is billed in full, one was cancelled "
    "after enough rows, one had already finished when its cancel arrived."
)
THEME = TerminalTheme(
    (22, 27, 34),
    (222, 226, 232),
    [
        (72, 79, 88),
        (255, 123, 114),
        (86, 211, 100),
        (227, 179, 65),
        (121, 192, 255),
        (210, 168, 255),
        (86, 212, 221),
        (222, 226, 232),
    ],
)
# The template of rich, without the font that a browser would download.
FORMAT = """\
<svg class="terminal" xmlns="http://www.w3.org/2000/svg" \
viewBox="0 0 {width} {height}" role="img">
<title>{alt}</title>
<style>
.{unique_id}-matrix, .{unique_id}-title {{
  font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", \
monospace;
}}
.{unique_id}-matrix {{ font-size: {char_height}px; line-height: {line_height}px; }}
.{unique_id}-title {{ font-size: 18px; }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}"/>
</clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" \
clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""


def draw() -> str:
    """Run the demo and draw its final screen."""
    console = Console(
        record=True,
        width=WIDTH,
        file=io.StringIO(),
        force_terminal=False,
        color_system="truecolor",
        legacy_windows=False,
        _environ={},
    )
    anyio.run(_play, console)
    return console.export_svg(
        title=TITLE,
        theme=THEME,
        code_format=FORMAT.replace("{alt}", ALT),
        unique_id="demo",
    )


def words(picture: str) -> list[str]:
    """Return the words and numbers of a picture."""
    lines = re.findall(r">([^<]+)</text>", picture)
    return re.findall(r"[\w,.]+", unescape(" ".join(lines)))


async def _play(console: Console) -> None:
    sandbox, jobs = make_sandbox(), list[DemoJob]()
    used = await play(sandbox, jobs, lambda _job, _text: None, pause=0)
    merged = merge_rows(jobs)
    agrees = not find_differences(jobs, used, sandbox.ledger)
    summary = summarize(
        jobs, merged, Path("openfunnel-demo/companies.csv"), agrees=agrees
    )
    console.print(INTRODUCTION)
    console.print(draw_table(sandbox, jobs))
    console.print(summary, highlight=False)
