"""Sandbox time: a monotonic clock times a factor, or moved by `Clock.advance`."""

import time
from collections.abc import Callable

import attrs


@attrs.define(eq=False, kw_only=True)
class Clock:
    """Sandbox time in seconds; it starts at 0.0.

    Attributes:
        speed: Sandbox seconds per second of ``source``. At 0 only `advance` moves
            the time.
        source: A monotonic clock in seconds.
    """

    speed: float = attrs.field(default=1.0, validator=attrs.validators.ge(0))
    source: Callable[[], float] = time.monotonic
    _started: float = attrs.field(init=False)
    _added: float = attrs.field(init=False, default=0.0)

    def __attrs_post_init__(self) -> None:
        """Start sandbox time."""
        self._started = self.source()

    def now(self) -> float:
        """Return sandbox time in seconds."""
        return (self.source() - self._started) * self.speed + self._added

    def advance(self, seconds: float) -> None:
        """Move time forward by ``seconds``, at any speed.

        Raises:
            ValueError: ``seconds`` is negative.
        """
        if seconds < 0:
            raise ValueError(f"time only moves forward, not by {seconds} s")
        self._added += seconds
