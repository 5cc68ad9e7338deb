"""``completion``: print the script that completes commands and flags in a shell."""

from typing import Annotated, Literal

from cyclopts import Parameter

from openfunnel_async.cli._output.exit_codes import ExitCode

_PROGRAM = "openfunnel-async"


def print_completion(
    shell: Annotated[
        Literal["bash", "zsh", "fish"], Parameter(help="The shell that you use.")
    ],
    /,
) -> ExitCode:
    """Print a script that completes commands and flags; it changes no file.

    bash: openfunnel-async completion bash >
    ~/.local/share/bash-completion/completions/openfunnel-async
    """
    from openfunnel_async.cli._app import app  # noqa: PLC0415 -- it imports commands

    print(app.generate_completion(prog_name=_PROGRAM, shell=shell))
    return ExitCode.OK
