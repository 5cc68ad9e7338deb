"""An event loop on which real sockets work and every pause is fifty times shorter.

For the retries of real connections, which virtual time cannot jump through: what
waits for a socket waits for it, and what waits for a moment waits a fiftieth. A
test module asks for it like this:

    from tests.support.hurried_time import HURRIED, AnyioBackend

    @pytest.fixture(scope="module")
    def anyio_backend() -> AnyioBackend:
        return HURRIED

Durations and moments are the loop's own: a back-off of half a second is half a
second of `anyio.current_time()`. An exchange on loopback, a thousandth of a second
by the clock on the wall, is a twentieth here; so no time-out below a few seconds.
"""

import asyncio
import selectors

from tests.support.virtual_time import AnyioBackend

__all__ = ["HURRIED", "AnyioBackend", "HurriedLoop"]

_TIMES = 50.0


class _ShortSelector(selectors.DefaultSelector):
    """A selector that waits a fiftieth of the requested time."""

    def select(
        self, timeout: float | None = None
    ) -> list[tuple[selectors.SelectorKey, int]]:
        return super().select(None if timeout is None else timeout / _TIMES)


class HurriedLoop(asyncio.SelectorEventLoop):
    """A loop whose seconds are a fiftieth of a second each."""

    def __init__(self) -> None:
        super().__init__(_ShortSelector())

    def time(self) -> float:
        return super().time() * _TIMES


HURRIED: AnyioBackend = ("asyncio", {"loop_factory": HurriedLoop})
