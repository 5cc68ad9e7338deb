"""What the fixtures give, and what the mark says of it."""

import threading
from collections.abc import Callable

import pytest

from openfunnel_async import (
    ConfigurationError,
    LookalikeSearch,
    OpenFunnel,
    SubmitOutcomeUnknownError,
)
from openfunnel_async.sandbox import (
    EditedAnswer,
    JobLife,
    LostAnswer,
    Sandbox,
    SandboxRequest,
)
from openfunnel_async.sandbox._threaded import SharedSandbox
from tests.plugin.runs import run

pytestmark = pytest.mark.anyio

SEARCH = LookalikeSearch(query="voice ai", limit=250)
SUBMIT = "/api/v1/account/search-lookalikes-bulk"
Look = Callable[[SharedSandbox], object]
LOOKS: dict[str, Look] = {
    "jobs": lambda sandbox: sandbox.jobs,
    "ledger": lambda sandbox: sandbox.ledger,
    "advance": lambda sandbox: sandbox.advance(1),
    "open_account": lambda sandbox: sandbox.open_account("other"),
}


@pytest.mark.openfunnel(speed=0)
async def test_time_moves_by_hand(
    openfunnel_client: OpenFunnel, openfunnel_sandbox: Sandbox
) -> None:
    job = await openfunnel_client.submit(SEARCH)
    assert not (await job.poll()).status.is_terminal
    openfunnel_sandbox.advance(1000)
    assert (await job.poll()).status == "completed"


@pytest.mark.openfunnel(faults=[LostAnswer(on="submit")])
async def test_a_fault_strikes(
    openfunnel_client: OpenFunnel, openfunnel_sandbox: Sandbox
) -> None:
    with pytest.raises(SubmitOutcomeUnknownError):
        await openfunnel_client.submit(SEARCH)
    assert len(openfunnel_sandbox.jobs) == 1
    assert openfunnel_sandbox.faults == []


@pytest.mark.openfunnel(credits=7, seed="far")
class TestMarks:
    @pytest.mark.openfunnel(credits=9)
    async def test_the_nearest_counts(self, openfunnel_sandbox: Sandbox) -> None:
        assert openfunnel_sandbox.ledger.total == 9
        assert openfunnel_sandbox.seed == "far"

    async def test_the_class_speaks_for_its_tests(
        self, openfunnel_client: OpenFunnel
    ) -> None:
        assert (await openfunnel_client.credit_balance()).credits_left == 7


async def test_a_client_without_arguments_goes_to_the_sandbox(
    openfunnel_sandbox: Sandbox,
) -> None:
    async with OpenFunnel() as client:
        await client.credit_balance()
    assert repr(client) == f"<OpenFunnel {openfunnel_sandbox.base_url}>"
    assert [seen.key for seen in openfunnel_sandbox.requests] == ["right"]


async def test_a_closed_client_says_so(openfunnel_client: OpenFunnel) -> None:
    await openfunnel_client.aclose()
    with pytest.raises(ConfigurationError, match="the client is closed"):
        await openfunnel_client.credit_balance()


def test_the_environment_is_as_it_was(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENFUNNEL_API_KEY", "of_real")
    monkeypatch.delenv("OPENFUNNEL_BASE_URL", raising=False)
    pytester.makepyfile(
        """
        import os

        def test_a_sandbox(openfunnel_sandbox):
            assert os.environ["OPENFUNNEL_API_KEY"] == openfunnel_sandbox.api_key

        def test_none():
            assert os.environ["OPENFUNNEL_API_KEY"] == "of_real"
            assert "OPENFUNNEL_BASE_URL" not in os.environ
        """
    )
    run(pytester).assert_outcomes(passed=2)


def test_an_option_that_cannot_be_is_told_before_the_test(
    pytester: pytest.Pytester,
) -> None:
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.openfunnel(sped=0)
        def test_unknown(openfunnel_sandbox): ...

        @pytest.mark.openfunnel(speed=-1)
        def test_impossible(openfunnel_sandbox): ...

        @pytest.mark.openfunnel(20)
        def test_nameless(openfunnel_sandbox): ...
        """
    )
    result = run(pytester)
    result.assert_outcomes(errors=3)
    result.stdout.fnmatch_lines(
        [
            "*takes Sandbox's options: *unexpected keyword argument 'sped'*",
            "*takes Sandbox's options: 'speed' must be >= 0: -1",
            "*takes Sandbox's options: give 20 by its name",
        ]
    )


@pytest.mark.parametrize("look", LOOKS.values(), ids=LOOKS)
def test_nobody_looks_in_while_a_request_is_answered(look: Look) -> None:
    """Each method without its lock was the planted bug."""
    still_waits: list[bool] = []

    def plan(_number: int, _limit: int) -> JobLife:
        other.start()
        other.join(0.05)
        still_waits.append(other.is_alive())
        return JobLife()

    sandbox = SharedSandbox(plan=plan)
    other = threading.Thread(target=look, args=[sandbox])
    headers = {"x-api-key": sandbox.api_key, "content-type": "application/json"}
    body = b'{"query": "voice ai"}'
    request = SandboxRequest(method="POST", path=SUBMIT, headers=headers, body=body)
    assert sandbox.handle(request).status == 200
    other.join()
    assert still_waits == [True]


async def test_a_fault_may_look_at_the_sandbox_it_is_in(
    openfunnel_client: OpenFunnel, openfunnel_sandbox: Sandbox
) -> None:
    def known(answer: dict[str, object]) -> object:
        return answer | {"message": f"{len(openfunnel_sandbox.jobs)} job"}

    openfunnel_sandbox.faults.append(EditedAnswer(on="cancel", edit=known))
    job = await openfunnel_client.submit(SEARCH)
    assert (await job.cancel()).message == "1 job"
