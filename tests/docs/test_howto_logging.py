"""The how-to on logging: its programs, run."""

import json
import re
from importlib import import_module
from pathlib import Path

import pytest

from openfunnel_async import Event
from openfunnel_async.sandbox import JobLife, Sandbox
from tests.docs.pages import DOCS, blocks
from tests.docs.programs import environment_of, run_program

pytestmark = pytest.mark.anyio

PAGE = DOCS / "how-to" / "logging.md"
PLAIN, JSON, CALLBACK = blocks(PAGE, "python")
[LINES] = blocks(PAGE, "text")
AT_ONCE = JobLife(queue=0, first_page_after=0, seconds_per_page=0, closing=0)


async def run(code: str, folder: Path) -> tuple[str, str]:
    """Run a program against a sandbox; return its output, the job's id left out."""
    async with Sandbox(lives=[AT_ONCE] * 2) as sandbox:
        process = await run_program(code, folder, environment_of(sandbox))
        jobs = sandbox.jobs
    out, err = process.stdout.decode(), process.stderr.decode()
    assert process.returncode == 0, err
    for job_id in jobs:
        err = err.replace(job_id, "…")
    return out, err


async def test_the_log_has_the_lines_of_the_page(tmp_path: Path) -> None:
    assert await run(PLAIN, tmp_path) == ("", LINES)


async def test_without_a_configuration_nothing_is_shown(tmp_path: Path) -> None:
    silent = re.sub(r"^logging\..*\n", "", PLAIN, flags=re.MULTILINE)
    assert await run(silent, tmp_path) == ("", "")


async def test_the_json_lines_have_the_fields_of_the_events(tmp_path: Path) -> None:
    assert await run(JSON, tmp_path) == ("", "")
    text = (tmp_path / "app.jsonl").read_text(encoding="utf-8")
    lines = [json.loads(line) for line in text.splitlines()]
    events = [line["event"] for line in lines]
    assert events[:2] == ["RequestSent", "JobSubmitted"]
    assert {"JobChanged", "JobSettled"} <= set(events)
    [bill] = [line for line in lines if line["event"] == "JobSettled"]
    assert (bill["level"], bill["status"]) == ("INFO", "completed")
    assert bill["credits_consumed"] == 100


async def test_a_message_that_is_no_event_is_a_line_as_well(tmp_path: Path) -> None:
    warn = 'logging.getLogger("openfunnel_async").warning("job %s", "j-1")\n'
    code = JSON.replace("asyncio.run(main())", f"asyncio.run(main())\n{warn}")
    await run(code, tmp_path)
    text = (tmp_path / "app.jsonl").read_text(encoding="utf-8")
    last = json.loads(text.splitlines()[-1])
    assert (last["level"], last["message"]) == ("WARNING", "job j-1")


async def test_the_callback_adds_the_bills_of_each_label(tmp_path: Path) -> None:
    out, err = await run(CALLBACK, tmp_path)
    assert (out, err) == ("{'sales': 100, 'research': 100}\n", "")


def test_the_table_has_every_event() -> None:
    """Caught: an event added and not described."""
    table = re.findall(r"^\| (`[A-Z]\w+`.*?) \|", PAGE.read_text("utf-8"), re.MULTILINE)
    named = set(re.findall(r"`([A-Z][a-z]\w+)`", " ".join(table)))
    package = import_module("openfunnel_async")
    public = {
        name
        for name in package.__all__
        if isinstance(made := getattr(package, name), type) and issubclass(made, Event)
    }
    assert named == public - {"Event"}
