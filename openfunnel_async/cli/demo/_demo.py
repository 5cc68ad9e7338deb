"""``openfunnel-async demo``: play the story, keep the companies, add up."""

import sys
from pathlib import Path

import anyio
from rich.console import Console

from openfunnel_async import export
from openfunnel_async.cli._exits import Exit
from openfunnel_async.cli._say import Voice, amount
from openfunnel_async.cli.demo._live import LiveScreen
from openfunnel_async.cli.demo._part import Part
from openfunnel_async.cli.demo._screen import ObjectScreen, PlainScreen, Screen
from openfunnel_async.cli.demo._story import PACE, make_sandbox, play
from openfunnel_async.cli.demo._tally import add_up, disagreements
from openfunnel_async.sandbox import Sandbox


def run(output: Path, voice: Voice, *, pace: float = PACE) -> Exit:
    """Run the demo and write its companies.

    Args:
        output: Where to write them.
        voice: Speaks to a program with ``--json``.
        pace: Real seconds a step of the sandbox's clock takes at least.

    Returns:
        The exit code: 1 when the client's numbers are not the ledger's.

    Raises:
        ExceptionGroup: Of `OpenFunnelError`: the story broke off.
        OSError: The file could not be written after all.
    """
    sandbox = make_sandbox()
    screen = _screen(sandbox, voice)
    parts, balance_used = anyio.run(_play, sandbox, screen, pace)
    tally = add_up(parts)
    export.write(tally.merged, output, searches=[part.title for part in parts])
    wrong = disagreements(parts, balance_used, sandbox.ledger)
    companies = amount(len(tally.companies))
    lines = tally.lines(len(parts), agrees=not wrong)
    screen.sum_up(lines, f"{companies} companies are in {output}")
    if voice.json:
        voice.result(
            "demo",
            "",
            jobs=len(parts),
            delivered=tally.delivered,
            companies=len(tally.companies),
            credits_used=tally.used,
            credits_saved=tally.saved,
            agrees=not wrong,
            path=str(output),
        )
    if wrong:
        voice.error(f"the books do not agree: {'; '.join(wrong)}", code=Exit.FAILED)
    return Exit.FAILED if wrong else Exit.OK


async def _play(
    sandbox: Sandbox, screen: Screen, pace: float
) -> tuple[tuple[Part, ...], float]:
    async with sandbox:
        return await play(sandbox, screen, pace=pace)


def _screen(sandbox: Sandbox, voice: Voice) -> Screen:
    """Draw on a terminal and print into anything else, whatever FORCE_COLOR says."""
    now = lambda: sandbox.now  # noqa: E731
    if voice.json:
        return ObjectScreen(voice=voice, now=now)
    console = Console()
    if sys.stdout.isatty() and not console.is_dumb_terminal:
        return LiveScreen(console=console, now=now)
    return PlainScreen(now=now)
