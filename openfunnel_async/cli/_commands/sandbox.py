"""``sandbox``: run a local OpenFunnel until Ctrl-C."""

import math
from functools import partial
from typing import Annotated, Literal

import anyio
from cyclopts import Parameter, validators

from openfunnel_async.cli._output.exit_codes import CommandError, ExitCode
from openfunnel_async.cli._output.printer import Printer
from openfunnel_async.cli._settings import Json
from openfunnel_async.sandbox import Sandbox
from openfunnel_async.sandbox.__main__ import (
    CannotListenError,
    code_line,
    serve,
    welcome,
)

_PORT = validators.Number(gte=0, lte=65_535)
_NOT_NEGATIVE = validators.Number(gte=0, lt=math.inf)
_WITH_DEFAULT = Parameter(show_default=True)


def run_sandbox(  # noqa: PLR0913 -- flags, each with a default
    *,
    port: Annotated[
        int,
        Parameter(
            validator=_PORT,
            help="The port to listen on; 0 takes a free one.",
        ),
    ] = 8787,
    speed: Annotated[
        float,
        _WITH_DEFAULT,
        Parameter(
            validator=_NOT_NEGATIVE,
            help="Sandbox seconds in one real second; 1 is the pace of the service.",
        ),
    ] = 10.0,
    seed: Annotated[
        str,
        _WITH_DEFAULT,
        Parameter(help="Changes the companies, the ids and the key."),
    ] = "openfunnel",
    credits: Annotated[  # noqa: A002 -- the flag's name
        float,
        _WITH_DEFAULT,
        Parameter(validator=_NOT_NEGATIVE, help="The credits at the start."),
    ] = 50_000.0,
    rows: Annotated[
        Literal["six", "sixteen"],
        _WITH_DEFAULT,
        Parameter(help="Number of keys in a row."),
    ] = "sixteen",
    json: Json = False,
) -> ExitCode:
    """Run a local OpenFunnel with made-up companies, for free, until Ctrl-C.

    It prints the lines to paste into the shell where your program runs. It sends no
    mail: it prints the code of each sign-up.
    """
    printer = Printer(json=json)

    def print_code(email: str, code: str) -> None:
        printer.print_result("code", code_line(email, code), email=email, otp_code=code)

    local = Sandbox(
        port=port,
        speed=speed,
        seed=seed,
        credits=credits,
        row_shape=rows,
        code_sent=print_code,
    )

    def print_start() -> None:
        printer.print_result(
            "listening",
            welcome(local),
            base_url=local.base_url,
            api_key=local.api_key,
            speed=speed,
        )

    try:
        anyio.run(partial(serve, local, print_start))
    except CannotListenError as error:
        raise CommandError(str(error), ExitCode.FAILED) from None
    return ExitCode.OK
