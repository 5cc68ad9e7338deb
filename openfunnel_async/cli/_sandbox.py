"""``sandbox``: a local OpenFunnel until Ctrl-C."""

import math
from functools import partial
from typing import Annotated, Literal

import anyio
from cyclopts import Parameter, validators

from openfunnel_async.cli._exits import CommandError, Exit
from openfunnel_async.cli._say import Voice
from openfunnel_async.cli._settings import Json
from openfunnel_async.sandbox import Sandbox
from openfunnel_async.sandbox.__main__ import (
    CannotListenError,
    code_line,
    serve,
    welcome,
)

_PORT = validators.Number(gte=0, lte=65_535)
_AMOUNT = validators.Number(gte=0, lt=math.inf)
_SHOWN = Parameter(show_default=True)


def sandbox(  # noqa: PLR0913 -- flags, each with a default
    *,
    port: Annotated[
        int,
        Parameter(
            validator=_PORT,
            help="Where to listen; 0 takes a free one.",
        ),
    ] = 8787,
    speed: Annotated[
        float,
        _SHOWN,
        Parameter(
            validator=_AMOUNT,
            help="Sandbox seconds to a second; the real service is at 1.",
        ),
    ] = 10.0,
    seed: Annotated[
        str, _SHOWN, Parameter(help="Other companies, ids and key.")
    ] = "openfunnel",
    credits: Annotated[  # noqa: A002 -- the flag's name
        float,
        _SHOWN,
        Parameter(validator=_AMOUNT, help="Credits to begin with."),
    ] = 50_000.0,
    rows: Annotated[
        Literal["six", "sixteen"], _SHOWN, Parameter(help="Keys a row.")
    ] = "sixteen",
    json: Json = False,
) -> Exit:
    """Run a local OpenFunnel with made-up companies, for free, until Ctrl-C.

    It prints what to paste into the shell where your program runs, and the code of
    each sign-up, which no mail brings.
    """
    voice = Voice(json=json)

    def tell_code(email: str, code: str) -> None:
        voice.result("code", code_line(email, code), email=email, otp_code=code)

    local = Sandbox(
        port=port,
        speed=speed,
        seed=seed,
        credits=credits,
        row_shape=rows,
        code_sent=tell_code,
    )

    def tell_start() -> None:
        voice.result(
            "listening",
            welcome(local),
            base_url=local.base_url,
            api_key=local.api_key,
            speed=speed,
        )

    try:
        anyio.run(partial(serve, local, tell_start))
    except CannotListenError as error:
        raise CommandError(str(error), Exit.FAILED) from None
    return Exit.OK
