"""Start the command line as a user does: as a process of its own."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path


def start(
    arguments: Sequence[str], *, folder: Path, **environment: str
) -> subprocess.Popen[str]:
    """Start ``openfunnel-async`` in a folder, its output piped."""
    return start_python(
        ["-m", "openfunnel_async.cli", *arguments], folder=folder, **environment
    )


def start_python(
    arguments: Sequence[str], *, folder: Path, **environment: str
) -> subprocess.Popen[str]:
    """Start this Python in a folder, its output piped."""
    inherited = {
        name: value
        for name, value in os.environ.items()
        if name not in {"FORCE_COLOR", "NO_COLOR", "COLUMNS"}
    }
    return subprocess.Popen(  # noqa: S603 - this very Python
        [sys.executable, *arguments],
        cwd=folder,
        env=inherited | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )
