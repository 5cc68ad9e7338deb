"""What jobs put at stake over time, by the sandbox's own books."""

from collections.abc import Collection

from openfunnel_async.sandbox import JobView


def most_at_once(jobs: Collection[JobView]) -> int:
    """Count the jobs that were alive at the same moment, at the most."""
    starts = [job.created_at for job in jobs]
    return max((sum(_lives(job, at) for job in jobs) for at in starts), default=0)


def most_committed(jobs: Collection[JobView]) -> float:
    """Add up what was billed and what running jobs may bill, at the worst moment."""
    starts = [job.created_at for job in jobs]
    sums = (
        sum(_committed(job, at) for job in jobs if job.created_at <= at)
        for at in starts
    )
    return max(sums, default=0.0)


def _lives(job: JobView, at: float) -> bool:
    return job.created_at <= at < job.ends_at


def _committed(job: JobView, at: float) -> float:
    return job.limit if _lives(job, at) else job.credits or 0.0
