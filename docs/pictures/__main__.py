"""Draw the pictures, or check that the saved ones are up to date.

`python -m docs.pictures` draws them; `--check` compares.
"""

import sys
from pathlib import Path

from docs.pictures import entries, pace, states, terminal

HERE = Path(__file__).parent
PICTURES = {
    "demo.svg": terminal.draw,
    "life-of-a-job.svg": states.draw,
    "states-of-an-entry.svg": entries.draw,
    "pace-of-one-job.svg": pace.one_job,
    "pace-of-many-jobs.svg": pace.many_jobs,
}


def main(arguments: list[str]) -> int:
    """Write the pictures; with ``--check`` only compare, and fail if one differs."""
    drawn = {HERE / name: draw() for name, draw in PICTURES.items()}
    if arguments != ["--check"]:
        for path, picture in drawn.items():
            path.write_text(picture, encoding="utf-8")
        return 0
    stale = [
        path.name for path, picture in drawn.items() if not _is_current(path, picture)
    ]
    if stale:
        which = ", ".join(stale)
        sys.stderr.write(f"out of date: {which}; run python -m docs.pictures\n")
    return 1 if stale else 0


def _is_current(path: Path, picture: str) -> bool:
    saved = path.read_text(encoding="utf-8") if path.exists() else ""
    if path.name == "demo.svg":
        # The layout on the terminal differs between versions of rich.
        return terminal.words(saved) == terminal.words(picture)
    return saved == picture


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
