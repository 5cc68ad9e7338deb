"""``watch``: look at jobs until they are over."""

import sys
from collections.abc import Sequence
from functools import partial
from typing import Annotated

import anyio
from anyio.abc import TaskGroup
from cyclopts import Parameter

from openfunnel_async import BulkJob, JobSnapshot
from openfunnel_async._values.checks import check_job_id
from openfunnel_async.cli._ctrl_c import Interrupts, play
from openfunnel_async.cli._exits import CommandError, Exit, exit_of, facts_of, worst
from openfunnel_async.cli._jobs import end_of, words_for
from openfunnel_async.cli._jobs import facts_of as job_facts
from openfunnel_async.cli._leaving import cancel_all, is_left
from openfunnel_async.cli._say import Voice
from openfunnel_async.cli._settings import Account, Service
from openfunnel_async.cli._shown import Show, shown
from openfunnel_async.errors import OpenFunnelError


def watch(
    *jobs: Annotated[str, Parameter(help="Ids of jobs, as submit prints them.")],
    service: Service = Service(),  # noqa: B008 -- frozen
) -> Exit:
    """Show jobs until all of them are over, which is free.

    Ctrl-C stops the watching and leaves the jobs; a second one within 3 s cancels
    them.
    """
    if not jobs:
        raise CommandError("name at least one job to watch")
    ids = [check_job_id(job_id) for job_id in dict.fromkeys(jobs)]
    voice = Voice(json=service.json)
    return play(partial(_watch, ids, service.account(), service, voice))


async def _watch(
    ids: Sequence[str],
    account: Account,
    service: Service,
    voice: Voice,
    interrupts: Interrupts,
) -> Exit:
    async with account.client() as client:
        jobs = [client.job(job_id) for job_id in ids]
        with shown(jobs, voice, sys.stdout) as show:
            code = await interrupts.until(partial(_wait, jobs, show, voice))
        if code is not None:
            return code
        going = [job for job in jobs if not job.is_terminal]
        if not going:
            return interrupts.code
        pick_up = service.command("watch", *(job.id for job in going))
        if await is_left(going, pick_up, voice, interrupts):
            return interrupts.code
        return await cancel_all(going, voice, interrupts)


async def _wait(jobs: Sequence[BulkJob], show: Show, voice: Voice) -> Exit:
    """Wait for all of them, or until nobody reads of it any more."""
    codes: list[Exit] = []

    async def follow(job: BulkJob, group: TaskGroup) -> None:
        def look(snapshot: JobSnapshot) -> None:
            show(snapshot)
            if not voice.has_listener:
                codes.append(Exit.FAILED)
                group.cancel_scope.cancel()

        try:
            await job.wait_until_terminal(timeout=None, on_progress=look)
        except OpenFunnelError as error:
            code = exit_of(error)
            voice.error(str(error), code=int(code), **facts_of(error))
            codes.append(code)
        else:
            codes.append(_end(job, voice))

    async with anyio.create_task_group() as group:
        for job in jobs:
            group.start_soon(follow, job, group)
    return worst(codes)


def _end(job: BulkJob, voice: Voice) -> Exit:
    """Tell a program how a job ended; people have it before their eyes."""
    if job.snapshot is None:
        return Exit.FAILED
    if voice.json:
        voice.result("job", "", **job_facts(job.snapshot))
    elif job.snapshot.error_message:
        voice.hint(words_for(job.snapshot))
    return end_of(job.snapshot)
