"""What becomes of jobs that nobody waits for any longer: left, or cancelled."""

from collections.abc import Sequence

import anyio

from openfunnel_async import BulkJob, CancelReceipt, JobStatus
from openfunnel_async._values.search import CREDITS_PER_COMPANY
from openfunnel_async.cli._ctrl_c import GRACE, Interrupts
from openfunnel_async.cli._exits import Exit, exit_of, facts_of, worst
from openfunnel_async.cli._say import Voice, amount
from openfunnel_async.errors import OpenFunnelError

ENDS = {
    JobStatus.COMPLETED: Exit.OK,
    JobStatus.FAILED: Exit.JOB_FAILED,
    JobStatus.CANCELLED: Exit.PARTIAL,
}
"""What a job's end means for the exit code."""


async def is_left(
    jobs: Sequence[BulkJob], pick_up: str, voice: Voice, interrupts: Interrupts
) -> bool:
    """After a signal: say what goes on, and wait for a second thought.

    Returns:
        False if a second Ctrl-C came, which cancels the jobs.
    """
    ids = [job.id for job in jobs]
    them = "it" if len(ids) == 1 else "them"
    # Whoever sends a SIGTERM sends no second one, and may not wait.
    grace = GRACE if interrupts.code is Exit.INTERRUPTED else None
    lines = [f"{_what_goes_on(jobs)} To pick {them} up again:", f"  {pick_up}"]
    if grace is not None:
        lines.append(f"Ctrl-C once more within {grace:g} s cancels {them}.")
    voice.note(
        "left",
        "\n".join(["", *lines]),
        job_ids=ids,
        pick_up=pick_up,
        cancel_within=grace,
    )
    return not await interrupts.again()


def _what_goes_on(jobs: Sequence[BulkJob]) -> str:
    if len(jobs) > 1:
        return f"{len(jobs)} jobs go on and bill what they deliver."
    limit = jobs[0].limit
    most = ""
    if limit is not None:
        most = f", up to {amount(limit * CREDITS_PER_COMPANY)} credits in all"
    return f"Job {jobs[0].id} goes on and bills what it delivers{most}."


async def cancel_all(
    jobs: Sequence[BulkJob], voice: Voice, interrupts: Interrupts
) -> Exit:
    """Cancel jobs, wait for the settling, and tell the bills.

    Returns:
        What the jobs' ends mean; 130 if another Ctrl-C ended the waiting.
    """
    voice.note(
        "cancelling",
        "Cancelling, and waiting for the settling; Ctrl-C ends the waiting ...",
        job_ids=[job.id for job in jobs],
    )
    codes: list[Exit] = []

    async def cancel(job: BulkJob) -> None:
        try:
            receipt = await job.cancel(wait=True, timeout=None)
        except OpenFunnelError as error:
            voice.error(str(error), code=int(exit_of(error)), **facts_of(error))
            codes.append(exit_of(error))
        else:
            tell_receipt(voice, receipt)
            codes.append(ENDS.get(receipt.status, Exit.PARTIAL))

    async def cancel_each() -> Exit:
        async with anyio.create_task_group() as group:
            for job in jobs:
                group.start_soon(cancel, job)
        return worst(codes)

    code = await interrupts.until(cancel_each)
    if code is None:
        tell_unsettled(jobs, voice)
        return Exit.INTERRUPTED
    return code


def tell_unsettled(jobs: Sequence[BulkJob], voice: Voice) -> None:
    """Say what is known of cancels whose settling nobody waited for."""
    for job in jobs:
        if not job.is_terminal:
            accepted = job.status is JobStatus.CANCELLING
            done = "was accepted" if accepted else "may not have been made"
            voice.error(
                f"interrupted: the cancel of job {job.id} {done}; it may still bill",
                code=int(Exit.INTERRUPTED),
                job_id=job.id,
            )


def tell_receipt(voice: Voice, receipt: CancelReceipt) -> None:
    """Tell what a cancel achieved."""
    voice.result(
        "cancel",
        _in_words(receipt),
        job_id=receipt.job_id,
        accepted=receipt.accepted,
        already_terminal=receipt.already_terminal,
        status=str(receipt.status),
        delivered=receipt.delivered,
        credits_consumed=receipt.credits_consumed,
        credits_avoided=receipt.credits_avoided,
        limit=receipt.requested_limit,
    )


def _in_words(receipt: CancelReceipt) -> str:
    if receipt.already_terminal:
        said = f"Job {receipt.job_id} was already {receipt.status}: nothing to cancel"
    elif receipt.status.is_terminal:
        said = f"Job {receipt.job_id} has settled: {receipt.status}"
    else:
        said = f"Job {receipt.job_id} will stop at its next checkpoint"
    numbers = (
        (receipt.delivered, "companies delivered"),
        (receipt.credits_consumed, "credits billed"),
        (receipt.credits_avoided or None, "credits not spent"),
    )
    told = [
        f"{amount(number)} {what}" for number, what in numbers if number is not None
    ]
    return f"{said}.\n{', '.join(told)}." if told else f"{said}."
