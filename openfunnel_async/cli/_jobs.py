"""What a job looks like to a program and to people, and the commands on one job."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Annotated, TypeVar

import anyio
from cyclopts import Parameter

from openfunnel_async import (
    BulkJob,
    JobSnapshot,
    JobStatus,
    LookalikeSearch,
    OpenFunnel,
)
from openfunnel_async._values.checks import check_job_id
from openfunnel_async.cli._ctrl_c import Interrupts, play
from openfunnel_async.cli._exits import CommandError, Exit
from openfunnel_async.cli._leaving import (
    ENDS,
    cancel_all,
    is_left,
    tell_receipt,
    tell_unsettled,
)
from openfunnel_async.cli._say import Voice, amount, one_line
from openfunnel_async.cli._search import SearchFlags, worst_case
from openfunnel_async.cli._settings import Account, Service
from openfunnel_async.cli._spend import Consent

T = TypeVar("T")
JobId = Annotated[str, Parameter(help="The job's id, as submit prints it.")]


def asked(account: Account, question: Callable[[OpenFunnel], Awaitable[T]]) -> T:
    """Ask the service one thing."""

    async def ask() -> T:
        async with account.client() as client:
            return await question(client)

    return anyio.run(ask)


def end_of(snapshot: JobSnapshot) -> Exit:
    """Return what a job's state means for the exit code."""
    code = ENDS.get(snapshot.status, Exit.OK)
    is_partial = snapshot.manifest is not None and snapshot.manifest.partial is True
    return Exit.PARTIAL if code is Exit.OK and is_partial else code


def facts_of(snapshot: JobSnapshot) -> dict[str, object]:
    """Return what a program is told of a job; what is not known is None."""
    manifest = snapshot.manifest
    return {
        "job_id": snapshot.job_id,
        "status": str(snapshot.status),
        "raw_status": snapshot.raw_status,
        "is_terminal": snapshot.is_terminal,
        "delivered": snapshot.delivered,
        "limit": snapshot.limit,
        "eta": None if snapshot.eta is None else round(snapshot.eta, 1),
        "credits_consumed": None if manifest is None else manifest.credits_consumed,
        "partial": None if manifest is None else manifest.partial,
        "progress_message": snapshot.progress_message,
        "error_message": snapshot.error_message,
    }


def words_for(snapshot: JobSnapshot) -> str:
    """Say how a job stands, in a line."""
    parts = [str(snapshot.status)]
    if snapshot.status is JobStatus.UNKNOWN:
        parts[0] = f'in a state this version does not know, "{snapshot.raw_status}"'
    if snapshot.delivered is not None:
        parts.append(f"{amount(snapshot.delivered)} companies delivered")
    manifest = snapshot.manifest
    if manifest is not None and manifest.credits_consumed is not None:
        parts.append(f"{amount(manifest.credits_consumed)} credits billed")
    if snapshot.progress_message and not snapshot.is_terminal:
        parts.append(snapshot.progress_message)
    if snapshot.error_message:
        parts.append(snapshot.error_message)
    return one_line(f"Job {snapshot.job_id}: {', '.join(parts)}")


def submit(
    *,
    flags: SearchFlags = SearchFlags(),  # noqa: B008 -- frozen
    consent: Consent = Consent(),  # noqa: B008 -- frozen
    service: Service = Service(),  # noqa: B008 -- frozen
) -> Exit:
    """Start a job, which bills one credit a company, and print its id.

    On stdout there is the id alone. On a terminal it asks first; elsewhere it wants
    --yes or --max-credits.
    """
    voice = Voice(json=service.json)
    search, account = prepared(flags, consent, service, voice)
    return play(partial(_submit, search, account, service, voice))


def prepared(
    flags: SearchFlags, consent: Consent, service: Service, voice: Voice
) -> tuple[LookalikeSearch, Account]:
    """Check all that can be checked before anything is spent, then ask.

    Raises:
        CommandError: Something cannot be right, or nobody agreed.
    """
    consent.check()
    search, account = flags.search(), service.account()
    consent.obtain(search, voice)
    return search, account


async def _submit(
    search: LookalikeSearch,
    account: Account,
    service: Service,
    voice: Voice,
    interrupts: Interrupts,
) -> Exit:
    async with account.client() as client:
        job = await submitted(client, search, voice, interrupts)
        tell_submitted(voice, job, search)
        pick_up = service.command("watch", job.id)
        if not interrupts.any_unseen:
            voice.hint(f"Watch it: {pick_up}")
            return Exit.OK
        if await is_left([job], pick_up, voice, interrupts):
            return interrupts.code
        return await cancel_all([job], voice, interrupts)


def tell_submitted(voice: Voice, job: BulkJob, search: LookalikeSearch) -> None:
    """Tell the id, alone on its line."""
    voice.result(
        "submitted",
        job.id,
        job_id=job.id,
        limit=job.limit,
        worst_case_credits=worst_case(search),
    )
    if not voice.has_listener:
        voice.warning(f"nobody reads stdout; the job that runs is {job.id}")


async def submitted(
    client: OpenFunnel, search: LookalikeSearch, voice: Voice, interrupts: Interrupts
) -> BulkJob:
    """Submit; a first Ctrl-C waits for the answer, so that the job's id is known.

    Raises:
        CommandError: A second one stopped it.
        OpenFunnelError: As ``OpenFunnel.submit()``.
    """
    text = "\nWaiting for the job's id, without which it could not be found again ..."
    job = await interrupts.until(
        lambda: client.submit(search),
        signals=2,
        early=lambda: voice.note("waiting", text),
    )
    if job is not None:
        return job
    left = ", ".join(client.orphans)
    text = (
        "interrupted in the middle of the submit; a job that it made was cancelled as "
        "far as it is known. Look at the balance before you submit again"
    )
    if left:
        text = f"interrupted; these jobs could not be cancelled and may bill: {left}"
    raise CommandError(text, Exit.UNKNOWN, job_ids=list(client.orphans))


def status(job: JobId, /, *, service: Service = Service()) -> Exit:  # noqa: B008 -- frozen
    """Look at a job once, which is free."""
    voice, job_id = Voice(json=service.json), check_job_id(job)
    snapshot = asked(service.account(), lambda client: client.job(job_id).poll())
    voice.result("job", words_for(snapshot), **facts_of(snapshot))
    return Exit.OK


def cancel(
    job: JobId,
    /,
    *,
    wait: Annotated[
        bool, Parameter(help="Wait until it has settled, for the bill.")
    ] = False,
    service: Service = Service(),  # noqa: B008 -- frozen
) -> Exit:
    """Ask a job to stop; one that is already over is a success, and is told.

    What it has delivered is billed and stays readable; up to its next checkpoint a
    little more may come.
    """
    voice, job_id = Voice(json=service.json), check_job_id(job)
    return play(partial(_cancel, job_id, service.account(), wait, voice))


async def _cancel(
    job_id: str, account: Account, wait: bool, voice: Voice, interrupts: Interrupts
) -> Exit:
    async with account.client() as client:
        job = client.job(job_id)
        ask = partial(job.cancel, wait=wait, timeout=None)
        receipt = await interrupts.until(ask)
        if receipt is None:
            tell_unsettled([job], voice)
            return Exit.INTERRUPTED
    tell_receipt(voice, receipt)
    return Exit.OK
