"""The story: three searches at a time, each of which ends in another way.

What a user of the library would write stands in the three coroutines in the middle;
the rest is stage and lights.
"""

import anyio
import attrs

from openfunnel_async import (
    CancelReceipt,
    Company,
    LookalikeSearch,
    OpenFunnel,
    PollPolicy,
)
from openfunnel_async.cli._say import amount
from openfunnel_async.cli.demo._clock_hand import ClockHand
from openfunnel_async.cli.demo._part import Part, Stage
from openfunnel_async.cli.demo._screen import Screen
from openfunnel_async.sandbox import JobLife, Sandbox, Unknowns

PACE = 0.08
"""Real seconds for a step of the clock: about ten for the whole story."""

# The sandbox goes twelve times as fast as the service would, and each look at it is a
# hop on loopback, so a look every tenth of a second is to it what one every second is
# to the service. Against the service, leave the client's own pace alone.
_POLLING = PollPolicy.fixed(0.1)
_ENOUGH = 500
_LATE = 94.0

_SEARCHES = (
    LookalikeSearch(query="voice AI for clinics", limit=600),
    LookalikeSearch(query="hospital software", limit=2000),
    LookalikeSearch(query="medical robotics", limit=200),
)
_LIVES = (
    JobLife(queue=2, first_page_after=18, seconds_per_page=18, closing=2),
    JobLife(queue=4, first_page_after=15, seconds_per_page=15, closing=2),
    JobLife(queue=3, first_page_after=16, seconds_per_page=16, closing=2),
)


def make_sandbox() -> Sandbox:
    """Build the sandbox of the story, whose time stands still by itself."""
    # A page that shows while it is being written is the harder case for a reader, and
    # a checkpoint some way off shows that a cancel may bill a little more.
    unknowns = Unknowns(newest_page_grows=True, settle=5.0)
    return Sandbox(speed=0, seed="demo", lives=_LIVES, unknowns=unknowns)


async def play(
    sandbox: Sandbox, screen: Screen, *, pace: float
) -> tuple[tuple[Part, ...], float]:
    """Act the story out against a sandbox that is running.

    Args:
        sandbox: One of `make_sandbox`, entered.
        screen: Who is told.
        pace: Real seconds a step of the clock takes at least.

    Returns:
        The parts as they ended, and the credits used as the account states them.

    Raises:
        ExceptionGroup: Of `OpenFunnelError`: it did not go as the story has it.

    Cancellation: stops where it is; the sandbox's jobs go with the sandbox.
    """
    key, url = sandbox.api_key, sandbox.base_url
    async with OpenFunnel(key, base_url=url, polling=_POLLING) as client:
        reader, stopper, latecomer = parts = await _cast(client)
        hand = ClockHand(sandbox=sandbox, parts=parts, pace=pace, ticked=screen.ticked)
        scene = _Scene(screen=screen, hand=hand)
        with screen.showing(parts):
            async with anyio.create_task_group() as group:
                group.start_soon(hand.run)
                group.start_soon(scene.read_to_the_end, reader)
                group.start_soon(scene.stop_when_enough, stopper)
                group.start_soon(scene.cancel_too_late, latecomer)
        balance = await client.credit_balance()
    return parts, balance.credits_used


async def _cast(client: OpenFunnel) -> tuple[Part, Part, Part]:
    """Submit the three searches; time stands still, so all start at once."""
    reader, stopper, latecomer = [
        Part(name=name, search=search, job=await client.submit(search))
        for name, search in zip("ABC", _SEARCHES, strict=True)
    ]
    latecomer.stage, latecomer.alone_until = Stage.ALONE, _LATE
    return reader, stopper, latecomer


@attrs.frozen(kw_only=True)
class _Scene:
    """Where the parts are played."""

    screen: Screen
    hand: ClockHand

    async def read_to_the_end(self, part: Part) -> None:
        """Read rows while the job runs, until it completes."""
        self._say(part, "reading rows as they come")
        async with part.job.rows() as rows:
            async for company in rows:
                self._take(part, company)
        self._end(part, f"{part.job.status}: {_bill(part)}")

    async def stop_when_enough(self, part: Part) -> None:
        """Stop the spend, and keep what was delivered up to the checkpoint."""
        self._say(part, f"reading rows until {_ENOUGH} are in")
        async with part.job.rows() as rows:
            async for company in rows:
                self._take(part, company)
                if rows.delivered >= _ENOUGH:
                    break
            part.stage = Stage.STOPPING
            self._say(part, f"{_ENOUGH} rows are enough: cancelling")
            part.receipt = receipt = await part.job.cancel(wait=True)
            part.stage = Stage.READING
            async for company in rows:
                self._take(part, company)
        self._end(part, f"{part.job.status}: {_bill(part)}, {_saved(receipt)}")

    async def cancel_too_late(self, part: Part) -> None:
        """Cancel a job that finished while nobody looked, and lose nothing."""
        self._say(part, "nobody looks: its status is still that of the submit")
        await self.hand.reach(part.alone_until)
        part.stage = Stage.STOPPING
        self._say(part, "cancelling it, without having looked")
        part.receipt = receipt = await part.job.cancel(wait=True)
        part.stage = Stage.READING
        async with part.job.rows() as rows:
            async for company in rows:
                self._take(part, company)
        self._end(part, f"{_late(receipt)}, {_bill(part)}")

    def _say(self, part: Part, note: str) -> None:
        part.note = note
        self.screen.said(part)

    def _take(self, part: Part, company: Company) -> None:
        part.rows.append(company)
        self.screen.handed(part)

    def _end(self, part: Part, note: str) -> None:
        part.stage = Stage.DONE
        self._say(part, note)


def _late(receipt: CancelReceipt) -> str:
    if receipt.already_terminal:
        return f"cancel came late: already {receipt.status} (409), nothing lost"
    return f"cancelled after all: {receipt.status}"


def _bill(part: Part) -> str:
    billed = "an unknown number of" if part.billed is None else amount(part.billed)
    return f"{billed} credits billed"


def _saved(receipt: CancelReceipt) -> str:
    avoided = receipt.credits_avoided
    return f"{'?' if avoided is None else amount(avoided)} saved"
