"""``openfunnel-async demo``: what it takes, and what its exit code says."""

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from openfunnel_async import export
from openfunnel_async.cli._exits import Exit
from openfunnel_async.cli._say import Voice, mute
from openfunnel_async.cli._settings import Json
from openfunnel_async.cli.demo import _demo
from openfunnel_async.errors import OpenFunnelError


def demo(
    *,
    output: Annotated[
        Path,
        Parameter(
            name=("--output", "-o"),
            show_default=True,
            help="Where to put the companies, one line each. An existing file is "
            "overwritten.",
        ),
    ] = Path("companies.csv"),
    json: Json = False,
) -> Exit:
    """Act three overlapping jobs out against a local sandbox, for free.

    Takes about ten seconds and needs no key, no account and no network. One job runs
    to its end, one is cancelled when enough rows are in, and one has already finished
    when its cancel arrives. The rows are the same on every run.
    """
    export.check(output)
    voice, code = Voice(json=json), Exit.FAILED
    try:
        code = _demo.run(output, voice)
    except* BrokenPipeError:
        mute(sys.stdout)
    except* (OpenFunnelError, OSError) as group:
        text = f"the demo failed: {group.exceptions[0]}"
        voice.error(text, code=int(Exit.FAILED))
    return code
