"""Print the broken lines of a file."""

from pathlib import Path

from openfunnel_async.cli._output.exit_codes import CommandError, ExitCode
from openfunnel_async.cli._output.printer import Printer
from openfunnel_async.cli._plan_file import MOST_NAMED, BrokenPlanError


def report_broken_lines(
    path: Path, error: BrokenPlanError, printer: Printer
) -> CommandError:
    """Print the broken lines, and return the error that the command ends with."""
    broken = error.lines
    for number, text in broken[:MOST_NAMED]:
        line = f", line {number}" if number else ""
        printer.print_error(
            f"{path}{line}: {text}",
            code=int(ExitCode.USAGE),
            path=str(path),
            line=number or None,
        )
    hidden = len(broken) - MOST_NAMED
    more = f" {hidden} more are not shown." if hidden > 0 else ""
    found = f"{path} has {len(broken)} broken line{'s' if len(broken) > 1 else ''}."
    return CommandError(f"{found}{more} Nothing was written or sent", path=str(path))
