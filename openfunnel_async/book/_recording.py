"""Write down what became of a submit, whatever happens.

The id of a job is read once and cannot be asked for again. So it is written by a task
that no cancellation reaches, again and again until it is on the disk; before the second
try, and at the end of the program, it goes to the log and to a file of its own.
"""

import asyncio
import logging

from openfunnel_async._job.handle import BulkJob
from openfunnel_async._protocol.error_replies import is_from_service
from openfunnel_async._text import error_text
from openfunnel_async.book._jobs import Outcome
from openfunnel_async.book._records import DamagedBookError
from openfunnel_async.book._store import Store
from openfunnel_async.book._values import EntryState
from openfunnel_async.errors import (
    OpenFunnelError,
    RequestRejectedError,
    SubmitOutcomeUnknownError,
)

_logger = logging.getLogger("openfunnel_async")
_FIRST_PAUSE = 0.5
_LONGEST_PAUSE = 10.0


class SubmitRecorder:
    """Writes the outcome of one submit into the Book.

    Args:
        store: The Book's store.
        key: The entry.
        attempt: The number of the submit.
    """

    def __init__(self, store: Store, key: str, attempt: int) -> None:
        self._store = store
        self._key = key
        self._attempt = attempt

    async def record(self, outcome: Outcome) -> None:
        """Write the id of a job, or that there is none, or that nobody knows.

        Raises:
            BookError: The Book is damaged, or it could not be written that there is no
                job. The entry becomes an unknown one when the Book is run the next
                time, unless the id of its job was kept beside it.
        """
        if isinstance(outcome, BulkJob):
            await self._record_id(outcome.id, outcome.limit)
        elif not isinstance(outcome, SubmitOutcomeUnknownError):
            state = EntryState.PLANNED
            if is_rejection(outcome):
                state = EntryState.REJECTED
            await self._record_no_job(state, outcome)
        elif outcome.job_id is not None:
            await self._record_id(outcome.job_id, outcome.search.limit)
        else:
            await self._record_no_job(EntryState.UNKNOWN, outcome)

    async def _record_no_job(self, state: EntryState, error: OpenFunnelError) -> None:
        await self._store.record_no_job(self._key, self._attempt, state, str(error))

    async def _record_id(self, job_id: str, limit: int | None) -> None:
        """Write the id; try without end, unless the Book is damaged."""
        pause = 0.0
        while True:
            try:
                is_known = await self._store.record_submitted(
                    self._key, self._attempt, job_id, limit
                )
            except asyncio.CancelledError as exc:
                # The program ends while the database does not answer.
                if not pause:
                    await self._hold(job_id, limit, exc)
                raise
            except Exception as exc:
                if not pause:
                    await self._hold(job_id, limit, exc)
                if isinstance(exc, DamagedBookError):
                    # Nothing that happens later can cure it.
                    raise
            else:
                if not is_known:
                    self._log_stranger(job_id)
                return
            pause = min(2 * pause or _FIRST_PAUSE, _LONGEST_PAUSE)
            await asyncio.sleep(pause)

    async def _hold(self, job_id: str, limit: int | None, error: BaseException) -> None:
        """Keep the id outside of the database, before it is tried again."""
        _logger.error(
            "job %s of entry %s was submitted and could not be written into the Book, "
            "which is tried again: %s",
            job_id,
            self._key,
            error_text(error),
        )
        await self._store.hold_id(self._key, self._attempt, job_id, limit)

    def _log_stranger(self, job_id: str) -> None:
        _logger.error(
            "job %s was submitted for entry %s and may be billing, and the entry has "
            "another job by now: attach to it with OpenFunnel.job() and cancel it",
            job_id,
            self._key,
        )


def is_rejection(error: OpenFunnelError) -> bool:
    """Whether the service refused this search, and would refuse it again.

    A refusal of the key (a header), of the account or by a gateway is none: it would
    meet every search.
    """
    if not isinstance(error, RequestRejectedError) or not is_from_service(error):
        return False
    places = [issue.loc[:1] for issue in error.issues]
    return not places or any(place != ("header",) for place in places)
