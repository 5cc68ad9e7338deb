"""``openfunnel-async demo``: play the story, keep the companies, add up."""

import sys
from pathlib import Path

import anyio
from rich.console import Console

from openfunnel_async.cli._csv_file import write
from openfunnel_async.cli._live import LiveScreen
from openfunnel_async.cli._part import Part, amount
from openfunnel_async.cli._screen import PlainScreen, Screen
from openfunnel_async.cli._story import PACE, make_sandbox, play
from openfunnel_async.cli._tally import add_up, disagreements
from openfunnel_async.sandbox import Sandbox


def run(output: Path, *, pace: float = PACE) -> int:
    """Run the demo and write its companies.

    Args:
        output: Where to write them.
        pace: Real seconds a step of the sandbox's clock takes at least.

    Returns:
        The exit code: 1 when the client's numbers are not the ledger's.

    Raises:
        ExceptionGroup: Of `OpenFunnelError`: the story broke off.
        OSError: The file could not be written after all.
    """
    sandbox = make_sandbox()
    screen = _screen(sandbox)
    parts, balance_used = anyio.run(_play, sandbox, screen, pace)
    tally = add_up(parts)
    write(output, tally.companies)
    wrong = disagreements(parts, balance_used, sandbox.ledger)
    companies = amount(len(tally.companies))
    lines = tally.lines(len(parts), agrees=not wrong)
    screen.sum_up(lines, f"{companies} companies are in {_printable(output)}")
    if wrong:
        print("The books do not agree:", *wrong, sep="\n  ", file=sys.stderr)
    return 1 if wrong else 0


def _printable(path: Path) -> str:
    """Spell a path in what the output can take, which may be ASCII alone."""
    encoding = sys.stdout.encoding or "utf-8"
    return str(path).encode(encoding, "backslashreplace").decode(encoding)


async def _play(
    sandbox: Sandbox, screen: Screen, pace: float
) -> tuple[tuple[Part, ...], float]:
    async with sandbox:
        return await play(sandbox, screen, pace=pace)


def _screen(sandbox: Sandbox) -> Screen:
    """Draw on a terminal and print into anything else, whatever FORCE_COLOR says."""
    now = lambda: sandbox.now  # noqa: E731
    console = Console()
    if sys.stdout.isatty() and not console.is_dumb_terminal:
        return LiveScreen(console=console, now=now)
    return PlainScreen(now=now)
