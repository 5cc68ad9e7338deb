"""A slow line that all connections of a proxy share."""

import asyncio
from collections.abc import Iterator

import attrs

_CHUNKS_PER_SECOND = 50
_LARGEST_CHUNK = 16_384
# A sleep ends a little late. So much of it is made up for, and not more, so that an
# idle line saves nothing up.
_SLACK = 0.02


@attrs.define(eq=False)
class BandwidthLimit:
    """One direction of the line, first come first served, in small chunks.

    A connection asks for one chunk at a time. So all that want to send take turns,
    and each gets its share.

    Attributes:
        bytes_per_second: What all connections get together; None for no limit.
    """

    bytes_per_second: float | None
    _free_at: float = attrs.field(init=False, default=0.0)

    def chunks(self, data: bytes) -> Iterator[bytes]:
        """Cut data into what goes out in one turn."""
        size = self._chunk or len(data)
        return (data[at : at + size] for at in range(0, len(data), size))

    async def turn(self, size: int) -> None:
        """Wait until ``size`` bytes have had the time they take on the line."""
        if self.bytes_per_second is None:
            return
        now = asyncio.get_running_loop().time()
        start = max(self._free_at, now - _SLACK)
        self._free_at = start + size / self.bytes_per_second
        await asyncio.sleep(self._free_at - now)

    @property
    def _chunk(self) -> int | None:
        if self.bytes_per_second is None:
            return None
        size = int(self.bytes_per_second / _CHUNKS_PER_SECOND)
        return max(1, min(size, _LARGEST_CHUNK))
