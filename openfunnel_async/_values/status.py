"""The states of a job and which of them may follow which.

Source: facts.md, "Read" and "Cancel". The vendor declares the status as a plain
string, so a word that is not listed here is not an error: it reads as UNKNOWN.
"""

import enum


class JobStatus(enum.StrEnum):
    """Where a job stands, as far as the client knows.

    ``UNKNOWN`` stands for a word this version does not know, and for a handle
    that has not asked yet. It is not terminal; ``JobSnapshot.raw_status`` keeps
    the word.
    """

    __module__ = "openfunnel_async"

    PENDING = "pending"
    RUNNING = "running"
    CANCELLING = "cancelling"
    CANCELLED = "cancelled"
    COMPLETED = "completed"
    FAILED = "failed"
    UNKNOWN = "unknown"

    @property
    def is_terminal(self) -> bool:
        """Whether it is cancelled, completed or failed, so that nothing can follow."""
        # A tuple is searched by identity; a set would call the enum's own hash.
        return self in _TERMINAL

    @classmethod
    def parse(cls, word: str) -> "JobStatus":
        """Read the service's word; one that is not listed is ``UNKNOWN``."""
        return _BY_WORD.get(word, cls.UNKNOWN)


_BY_WORD = {status.value: status for status in JobStatus}
_TERMINAL = (JobStatus.CANCELLED, JobStatus.COMPLETED, JobStatus.FAILED)
_FURTHER = {status: place for place, status in enumerate(JobStatus)}
_STEADY = (*_TERMINAL, JobStatus.CANCELLING)


def furthest(seen: JobStatus, reported: JobStatus) -> JobStatus:
    """Return the furthest known state after a report.

    A terminal state is latched, a report from further back is a late one, and
    a word that is not known moves nothing.
    """
    if reported is seen or reported is JobStatus.UNKNOWN or seen.is_terminal:
        return seen
    if seen is JobStatus.UNKNOWN or _FURTHER[reported] > _FURTHER[seen]:
        return reported
    return seen


def effective(seen: JobStatus, reported: JobStatus) -> JobStatus:
    """Return the state to show: the furthest seen, or UNKNOWN for a new word.

    UNKNOWN shows in place of pending or running, never in place of cancelling:
    an accepted cancel stays accepted, whatever the service calls it.
    """
    if reported is JobStatus.UNKNOWN and seen not in _STEADY:
        return JobStatus.UNKNOWN
    return furthest(seen, reported)
