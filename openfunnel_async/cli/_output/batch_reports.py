"""Report on batches and entries of the Book, and the exit codes of batches."""

from collections.abc import Sequence

from openfunnel_async import LookalikeSearch
from openfunnel_async.book import BatchReport, BatchStatus, BookEntry
from openfunnel_async.cli._output.exit_codes import ExitCode
from openfunnel_async.cli._output.printer import Printer
from openfunnel_async.cli._output.text import format_amount, one_line
from openfunnel_async.cli._output.text_table import format_table, shorten

_INDENT = "    "
_LONGEST_LINE = 79


def exit_code_of_batch(report: BatchReport) -> ExitCode:
    """Return the exit code of a batch that is not run any more."""
    if report.unknown:
        return ExitCode.UNKNOWN
    has_no_room = report.planned and report.cap is not None
    return ExitCode.BUDGET if report.over_cap or has_no_room else ExitCode.OK


def running_of(status: BatchStatus) -> int:
    """Return the number of searches that are submitted and not settled."""
    return status.submitting + status.submitted


def batch_fields(status: BatchStatus) -> dict[str, object]:
    """Return what ``--json`` prints of a batch."""
    fields = {**status.to_dict(), "known": status.known, "is_done": status.is_done}
    if isinstance(status, BatchReport):
        fields["credits_per_new_company"] = status.credits_per_new_company
    return fields


def print_batch(printer: Printer, report: BatchReport) -> None:
    """Print what became of a batch so far."""
    printer.print_result("batch", describe_batch(report), **batch_fields(report))


def describe_batch(report: BatchReport) -> str:
    """Describe a batch in a few lines."""
    ends = {
        "completed": report.completed,
        "cancelled": report.cancelled,
        "failed": report.failed,
    }
    states = {
        f"settled{_in_brackets(ends)}": report.settled,
        "running": running_of(report),
        "planned": report.planned,
        "rejected by the service": report.rejected,
        "skipped": report.skipped,
        "of unknown outcome": report.unknown,
    }
    name, count = one_line(report.name), _count(report.searches, "search", "searches")
    lines = [f"Batch {name}: {count}, {_join(states)}.", f"{_describe_sums(report)}."]
    lines += _describe_savings(report)
    if report.over_cap:
        over = _count(report.over_cap, "search does", "searches do")
        lines.append(f"{over} not fit under the cap, and will not be submitted.")
    return "\n".join(lines)


def _describe_savings(report: BatchReport) -> list[str]:
    """Return lines about companies that are known; none if all of them are new."""
    lines: list[str] = []
    each = report.credits_per_new_company
    if each is not None and report.known:
        lines.append(f"{each:,.2f} credits per new company.")
    if report.reused:
        searches = _count(report.reused, "search", "searches")
        lines.append(f"{searches} answered from the Book for 0 credits.")
    if report.stopped_early:
        jobs = _count(report.stopped_early, "job was", "jobs were")
        lines.append(
            f"{jobs} cancelled because too few companies were new; "
            f"{format_amount(report.rows_after_stop)} companies came after that."
        )
    if report.distinct is not None and report.new >= report.distinct:
        lines.append(f"It stopped at {format_amount(report.distinct)} new companies.")
    return lines


def describe_rows(status: BatchStatus) -> str:
    """Describe how many companies there are, and how many of them are new."""
    most = "" if status.distinct is None else f" of {format_amount(status.distinct)}"
    return f"{format_amount(status.new)}{most} new, {format_amount(status.known)} known"


def _describe_sums(status: BatchStatus) -> str:
    reserved = f", {format_amount(status.reserved)} reserved" if status.reserved else ""
    cap = "" if status.cap is None else f", cap {format_amount(status.cap)}"
    return (
        f"{format_amount(status.rows)} companies ({describe_rows(status)}); "
        f"{format_amount(status.spent)} credits spent{reserved}{cap}"
    )


def describe_progress(status: BatchStatus) -> str:
    """Describe the sums of a batch in one line."""
    states = {
        "planned": status.planned,
        "running": running_of(status),
        "settled": status.settled,
        "rejected": status.rejected,
        "skipped": status.skipped,
        "unknown": status.unknown,
    }
    return f"{one_line(status.name)}: {_join(states)}; {_describe_sums(status)}"


def _in_brackets(counts: dict[str, int]) -> str:
    """Return the counts between brackets, if there are several kinds."""
    kinds = [count for count in counts.values() if count]
    is_plain = len(kinds) < 2 and not (counts["cancelled"] or counts["failed"])  # noqa: PLR2004 -- one kind, and the usual one
    return "" if is_plain else f" ({_join(counts)})"


def _join(counts: dict[str, int]) -> str:
    shown = [
        f"{format_amount(count)} {what}" for what, count in counts.items() if count
    ]
    return ", ".join(shown) or "none"


def _count(number: int, one: str, many: str) -> str:
    return f"{format_amount(number)} {one if number == 1 else many}"


def print_batches(printer: Printer, statuses: Sequence[BatchStatus]) -> None:
    """Print a table of batches, or an object for each."""
    if printer.json:
        for status in statuses:
            printer.print_result("batch", "", **batch_fields(status))
        return
    titles = (
        "NAME",
        "SETTLED",
        "RUNNING",
        "UNKNOWN",
        "ROWS",
        "NEW",
        "SPENT",
        "RESERVED",
        "CAP",
    )
    rows = [
        (
            one_line(status.name),
            f"{format_amount(status.settled)} of {format_amount(status.searches)}",
            *map(format_amount, (running_of(status), status.unknown)),
            *map(format_amount, (status.rows, status.new)),
            *map(format_amount, (status.spent, status.reserved)),
            "-" if status.cap is None else format_amount(status.cap),
        )
        for status in statuses
    ]
    lines = format_table(titles, rows, right=titles[1:])
    printer.print_result("batches", "\n".join(lines))


def print_entries(printer: Printer, entries: Sequence[BookEntry]) -> None:
    """Print a table of entries, or an object for each.

    Keys, ids and errors are not shortened, because people copy them.
    """
    if printer.json:
        for entry in entries:
            print_entry(printer, entry)
        return
    if not entries:
        printer.print_hint("No entries.")
        return
    titles = ("KEY", "STATE", "ROWS", "NEW", "BILLED", "JOB")
    rows = [
        (
            entry.key,
            str(entry.state),
            format_amount(entry.rows),
            format_amount(entry.new),
            "-" if entry.billed is None else format_amount(entry.billed),
            entry.job_id or "-",
        )
        for entry in entries
    ]
    first, *lines = format_table(titles, rows, right=("ROWS", "NEW", "BILLED"))
    shown = [first]
    for line, entry in zip(lines, entries, strict=True):
        shown += [line, *_describe_details(entry)]
    printer.print_result("entries", "\n".join(shown))


def print_entry(printer: Printer, entry: BookEntry) -> None:
    """Print one entry."""
    details = (f"{entry.key} is {entry.state}", *_describe_details(entry))
    fields = entry.to_dict() | {"known": entry.known}
    printer.print_result("entry", "\n".join(details), **fields)


def _describe_details(entry: BookEntry) -> list[str]:
    """Return a line of what the entry is about, and one of its error."""
    about = entry.label or describe_search(entry.search)
    if entry.status not in {None, "completed"}:
        about = f"{entry.status}: {about}"
    lines = [_INDENT + shorten(one_line(about), _LONGEST_LINE - len(_INDENT))]
    if entry.reused_from:
        lines.append(f"{_INDENT}answered from the Book: {entry.reused_from}")
    if entry.error:
        lines.append(f"{_INDENT}error: {one_line(entry.error)}")
    return lines


def describe_search(search: LookalikeSearch) -> str:
    """Describe what is searched for."""
    seeds = f"like {', '.join(search.seed_domains)}" if search.seed_domains else ""
    return "; ".join(filter(None, (search.query, seeds)))
