"""The bandwidth that all connections of a proxy share."""

import asyncio
from collections.abc import Iterator

import attrs

_CHUNKS_PER_SECOND = 50
_LARGEST_CHUNK = 16_384
# A sleep ends a little late, which is compensated up to this limit. Without it, an
# idle time would be compensated too, by a burst.
_MOST_COMPENSATED = 0.02


@attrs.define(eq=False)
class BandwidthLimit:
    """The limit of one direction, in small chunks and in the order of the calls.

    A connection sends one chunk at a time, so connections that send at the same time
    take turns and get equal shares.

    Attributes:
        bytes_per_second: The rate of all connections together; None for no limit.
    """

    bytes_per_second: float | None
    _free_at: float = attrs.field(init=False, default=0.0)

    def chunks(self, data: bytes) -> Iterator[bytes]:
        """Split data into chunks that are sent in one turn each."""
        size = self._chunk or len(data)
        return (data[at : at + size] for at in range(0, len(data), size))

    async def wait_for_turn(self, size: int) -> None:
        """Wait for the time that ``size`` bytes take at this rate."""
        if self.bytes_per_second is None:
            return
        now = asyncio.get_running_loop().time()
        start = max(self._free_at, now - _MOST_COMPENSATED)
        self._free_at = start + size / self.bytes_per_second
        await asyncio.sleep(self._free_at - now)

    @property
    def _chunk(self) -> int | None:
        if self.bytes_per_second is None:
            return None
        size = int(self.bytes_per_second / _CHUNKS_PER_SECOND)
        return max(1, min(size, _LARGEST_CHUNK))


@attrs.frozen(kw_only=True)
class Bandwidth:
    """The limits of both directions, shared by all connections.

    Attributes:
        up: The limit towards the upstream.
        down: The limit towards the clients.
    """

    up: BandwidthLimit
    down: BandwidthLimit
