"""The progress of jobs, in lines and on a terminal."""

import contextlib
import io
import os
import sys
from collections.abc import Iterator
from io import FileIO
from types import SimpleNamespace
from typing import Any, TextIO

import anyio
import attrs
import pytest

from openfunnel_async import (
    ConfigurationError,
    JobNotFoundError,
    JobSnapshot,
    JobStatus,
    Manifest,
    WaitTimeoutError,
)
from openfunnel_async.progress import Progress, watch
from openfunnel_async.progress._line import JobLine
from tests.support.scripted import (
    ScriptedTransport,
    Seen,
    connect,
    job_reply,
    manifest,
    reply,
)

pytestmark = [pytest.mark.anyio, pytest.mark.virtual_time]

EVIL = "\x1b]0;owned\x07[red]half\r\n\u202eway\u2028[/red] [/]"
LINE = '<div style="white-space: pre-wrap">'
INERT = "]0;owned[red]halfway[/red] [/]"


def snapshot(status: str = "running", **fields: Any) -> JobSnapshot:
    known: dict[str, Any] = {"job_id": "job-1", "limit": 500, **fields}
    return JobSnapshot(status=JobStatus.parse(status), raw_status=status, **known)


def written_lines(*snapshots: JobSnapshot) -> list[str]:
    """Return the lines that are written for snapshots."""
    file = io.StringIO()
    with Progress(file=file) as show:
        for one in snapshots:
            show(one)
    return file.getvalue().splitlines()


def test_a_line_has_the_known_figures() -> None:
    bill = Manifest(count=500, credits_consumed=37.5)
    assert written_lines(
        snapshot("pending"),
        snapshot(processed=0, eta=76.0, progress_message="retrieving_companies"),
        snapshot("reviewing"),
        snapshot("completed", manifest=bill, progress_message="retrieving_companies"),
    ) == [
        "job-1  pending",
        "job-1  running: retrieving_companies  0 of 500  eta 1:16  credits 0 so far",
        "job-1  reviewing",
        "job-1  completed  500 of 500  credits 37.5 billed",
    ]


def test_a_line_is_written_only_after_a_change() -> None:
    """Caught: a line for a change of the eta only."""
    lines = written_lines(
        snapshot(processed=1, eta=50.0),
        snapshot(processed=1, eta=40.0),
        snapshot(processed=1),
        snapshot(processed=2),
    )
    assert [line.split("  ")[2] for line in lines] == ["1 of 500", "2 of 500"]


def test_a_line_has_no_credits_without_a_bill() -> None:
    [line] = written_lines(snapshot("failed", processed=7, error_message="gave up"))
    assert line == "job-1  failed: gave up  7 of 500"


@pytest.mark.parametrize(
    "evil",
    [
        snapshot(progress_message=EVIL),
        snapshot("failed", error_message=EVIL),
        snapshot("unknown", progress_message=EVIL),
    ],
)
def test_messages_of_the_service_cannot_control_a_terminal(evil: JobSnapshot) -> None:
    [line] = written_lines(evil)
    assert line.endswith(f": {INERT}")


def test_an_unknown_status_cannot_control_a_terminal() -> None:
    assert written_lines(snapshot(EVIL)) == [f"job-1  {INERT}"]


def test_the_rate_is_from_the_first_number_to_the_last() -> None:
    moments = iter([100.0, 100.0, 110.0, 110.0, 150.0, 150.0])
    line = JobLine(job_id="job-1", now=lambda: next(moments))
    running = JobStatus.RUNNING
    line.update(snapshot(processed=40), running)
    assert line.rate == ""
    line.update(snapshot(processed=90), running)
    assert line.rate == "5.0/s"
    line.update(snapshot(processed=90), running)
    assert line.rate == "5.0/s"


def test_the_eta_counts_down() -> None:
    now = 100.0
    line = JobLine(job_id="job-1", now=lambda: now)
    line.update(snapshot(eta=90.0), JobStatus.RUNNING)
    now += 31
    assert line.eta == "0:59"
    now += 100
    assert line.eta == "0:00"


def test_a_character_that_a_file_cannot_encode_is_escaped() -> None:
    raw = io.BytesIO()
    with Progress(file=io.TextIOWrapper(raw, "ascii")) as show:
        show(snapshot(progress_message="fünf"))
        written = raw.getvalue()
    assert written == b"job-1  running: f\\xfcnf\n"


def test_lines_go_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress() as show:
        show(snapshot())
    assert capsys.readouterr() == ("", "job-1  running\n")


def test_without_rich_its_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rich", None)
    with pytest.raises(ConfigurationError, match=r"openfunnel-async\[cli\]"):
        Progress()


@attrs.define
class FakeIPython:
    """What the kernel of a notebook has imported; it keeps what an output showed."""

    kernel: object = "kernel"
    shown: list[str] = attrs.field(factory=list[str])
    outputs: int = 0

    @property
    def display(self) -> Any:
        return SimpleNamespace(display=self._show)

    def get_ipython(self) -> Any:
        return SimpleNamespace(kernel=self.kernel)

    def update(self, obj: Any) -> None:
        self.shown.append(obj._repr_html_())

    def _show(self, obj: Any, *, display_id: bool) -> Any:
        assert display_id
        self.outputs += 1
        self.update(obj)
        return self


@pytest.fixture
def ipython(monkeypatch: pytest.MonkeyPatch) -> FakeIPython:
    """Put this process into a notebook, without rich."""
    fake = FakeIPython()
    modules: dict[str, Any] = sys.modules
    monkeypatch.setitem(modules, "IPython", fake)
    monkeypatch.setitem(sys.modules, "rich", None)
    return fake


def test_a_notebook_has_one_output_that_is_replaced(
    ipython: FakeIPython, capsys: pytest.CaptureFixture[str]
) -> None:
    """Caught: a new output for each change; lines on stderr as well."""
    with Progress() as show:
        show(snapshot(processed=120, eta=76.0))
        show(snapshot(processed=120, eta=75.0))
        show(snapshot("failed", processed=130, error_message=f"<b>{EVIL}"))
    assert ipython.outputs == 1
    first, last = ipython.shown
    assert first == (
        f'{LINE}<progress value="0.240"></progress> '
        "job-1  running  120 of 500  eta 1:16  credits 120 so far</div>"
    )
    assert last == (
        f'{LINE}<progress value="0.260"></progress> '
        f"job-1  failed: &lt;b&gt;{INERT}  130 of 500</div>"
    )
    assert capsys.readouterr() == ("", "")


def test_a_notebook_shows_ten_jobs_and_counts_the_others(ipython: FakeIPython) -> None:
    """Caught: ended jobs that hide those that still run."""
    with Progress() as show:
        for number in range(12):
            show(snapshot(job_id=f"job-{number:02}"))
        show(snapshot("completed", job_id="job-00"))
    *_, before, last = ipython.shown
    assert before.count("<div ") == last.count("<div ") == 11
    assert last.endswith("and 2 more jobs</div>")
    assert "job-00" in before
    assert "job-00" not in last
    assert "job-10" in last


@pytest.mark.usefixtures("ipython")
def test_a_file_is_written_in_a_notebook_as_well(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delitem(sys.modules, "rich")
    assert written_lines(snapshot()) == ["job-1  running"]


def test_ipython_on_a_terminal_is_no_notebook(
    ipython: FakeIPython,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.delitem(sys.modules, "rich")
    ipython.kernel = None
    with Progress() as show:
        show(snapshot())
    assert ipython.shown == []
    assert capsys.readouterr().err == "job-1  running\n"


def running_until(moment: float) -> ScriptedTransport:
    """Script two jobs that deliver a company per second, and one that is missing."""

    def read(seen: Seen) -> Any:
        if seen.job_id == "gone":
            return reply(404)
        if seen.at >= moment:
            return job_reply("completed", manifest=manifest(60), job_id=seen.job_id)
        return job_reply("running", processed=int(seen.at), job_id=seen.job_id)

    return ScriptedTransport(read=read)


async def test_a_watch_returns_how_each_job_ended() -> None:
    file = io.StringIO()
    async with connect(running_until(60)) as client:
        jobs = [client.job(name, limit=60) for name in ("one", "gone", "two")]
        outcomes = await watch(jobs, file=file)
    assert list(outcomes) == ["one", "gone", "two"]
    assert isinstance(outcomes["gone"], JobNotFoundError)
    for job in (jobs[0], jobs[2]):
        assert outcomes[job.id] is job.snapshot
        assert job.status is JobStatus.COMPLETED
    lines = file.getvalue().splitlines()
    for name in ("one", "two"):
        mine = [line for line in lines if line.startswith(f"{name}  ")]
        assert mine[0] == f"{name}  no answer yet"
        assert mine[-1] == f"{name}  completed  60 of 60  credits 60 billed"
        assert len(mine) > 3


async def test_a_watch_that_times_out_cancels_no_job() -> None:
    transport = running_until(600)
    async with connect(transport) as client:
        outcomes = await watch([client.job("one")], timeout=30, file=io.StringIO())
        with pytest.raises(ConfigurationError, match="timeout"):
            await watch([client.job("one")], timeout=-1)
    assert isinstance(outcomes["one"], WaitTimeoutError)
    assert transport.count("cancel") == 0


async def test_a_cancelled_watch_cancels_no_job() -> None:
    transport = running_until(600)
    async with connect(transport) as client:
        job = client.job("one")
        with anyio.move_on_after(30):
            await watch([job], file=io.StringIO())
        assert job.status is JobStatus.RUNNING
    assert transport.count("cancel") == 0


async def test_a_refresh_shows_the_state_of_the_handles() -> None:
    file = io.StringIO()
    async with connect(running_until(600)) as client:
        job = client.job("one")
        with Progress([job], file=file) as show:
            await job.poll()
            show.refresh()
            show.refresh()
            await anyio.sleep(5)
            await job.poll()
    shown = ["no answer yet", "running  0  credits 0 so far"]
    *lines, last = file.getvalue().splitlines()
    assert lines == [f"one  {text}" for text in shown]
    assert last.startswith("one  running  5  ")


@pytest.fixture(params=[64, 120])
def terminal(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[TextIO, FileIO]]:
    """Yield the two ends of a real terminal, narrow or wide: to write and to read."""
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", str(request.param))
    monkeypatch.setenv("LINES", "30")
    reader, writer = os.openpty()
    os.set_blocking(reader, False)
    with (
        FileIO(reader) as shown,
        os.fdopen(writer, "w", encoding="utf-8") as file,
    ):
        yield file, shown


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such terminals")
def test_a_terminal_shows_a_table(terminal: tuple[TextIO, FileIO]) -> None:
    """Caught: markup of the service that was drawn; figures that were shortened."""
    file, shown = terminal
    bill = Manifest(count=500, credits_consumed=500.0)
    with Progress(file=file) as show:
        show(snapshot(processed=120, eta=76.0, progress_message=EVIL))
        show(snapshot("completed", job_id="x" * 128, manifest=bill))
    text = b"".join(iter(lambda: shown.read(4096), None)).decode()
    last = text.rpartition("Status")[2]
    assert "\x1b]0" not in text
    assert "\x07" not in text
    for figure in ("120 of 500", "1:16", "120 so far", "500 billed", "comp"):
        assert figure in last
    assert "running: ]0;owned" in last or os.environ["COLUMNS"] == "64"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such terminals")
def test_a_terminal_is_left_as_it_was(terminal: tuple[TextIO, FileIO]) -> None:
    file, shown = terminal
    with contextlib.suppress(KeyboardInterrupt), Progress(file=file) as show:
        show(snapshot())
        raise KeyboardInterrupt
    text = b"".join(iter(lambda: shown.read(4096), None)).decode()
    assert text.count("\x1b[?25l") == text.count("\x1b[?25h") == 1
