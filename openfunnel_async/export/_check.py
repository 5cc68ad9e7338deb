"""What an export can be asked before it starts."""

from pathlib import Path

from openfunnel_async import JobCheckpoint
from openfunnel_async.export._layout import (
    LINE_TERMINATOR,
    LIST_SEPARATOR,
    Columns,
    LayoutArguments,
    check_flag,
)
from openfunnel_async.export._part import PartFile
from openfunnel_async.export._part_format import find_last_mark
from openfunnel_async.export._paths import (
    StrPath,
    check_path,
    get_part_path,
    make_path_error,
)


def check(  # noqa: PLR0913 -- all but one have a default
    path: StrPath,
    columns: Columns | None = None,
    *,
    bom: bool = False,
    list_separator: str = LIST_SEPARATOR,
    line_terminator: str = LINE_TERMINATOR,
    resume: bool = False,
    overwrite: bool = False,
) -> Path:
    """Check whether an export is possible, before credits are spent on its rows.

    It sends nothing, leaves no file behind and changes none. What it accepts,
    ``to_file()`` accepts with the same arguments.

    Args:
        path: The file to export to; the ending of its name decides the format.
        columns: Names of ``COLUMNS``, or a mapping from these to the headers of the
            file; all of them by default.
        bom: As for ``to_file()``.
        list_separator: As for ``to_file()``.
        line_terminator: As for ``to_file()``.
        resume: Whether an unfinished export to this file is to be continued, with the
            job of ``left_at()``. Without it, a ``.part`` file with rows, or with a
            job, is refused.
        overwrite: Whether a file that exists may be replaced.

    Returns:
        The path of the file; of its target, if it is a link.

    Raises:
        ConfigurationError: It is not possible; the message gives the reason and the
            remedy. One reason is another export that is writing the file.
    """
    check_flag("resume", resume)
    check_flag("overwrite", overwrite)
    layout = LayoutArguments(
        columns=columns,
        bom=bom,
        list_separator=list_separator,
        line_terminator=line_terminator,
    )
    real = check_path(path, overwrite=overwrite)
    layout.check(real.suffix)
    with PartFile(real) as part:
        if not resume:
            part.claim(None, overwrite=overwrite)
        return real


def left_at(path: StrPath) -> JobCheckpoint | None:
    """Return the checkpoint at which an unfinished export to this file ended.

    ``OpenFunnel.resume()`` returns a handle for it, and ``to_file(..., resume=True)``
    continues the export. The function reads the ``.part`` file beside the path, which
    takes milliseconds.

    Returns:
        The checkpoint after the last row that is on the disk; None if there is no
        export to continue.

    Raises:
        ConfigurationError: The path or the ``.part`` file cannot be used; or an export
            has not written the ``.part`` file, or another version of the package has.
    """
    part = get_part_path(check_path(path, overwrite=True))
    try:
        mark = find_last_mark(part)
    except FileNotFoundError:
        return None
    except OSError as exc:
        raise make_path_error("read", part, exc) from exc
    return None if mark is None else mark.checkpoint
