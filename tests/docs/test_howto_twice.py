"""The how-to on buying once: a refresh of a market of which half is owned."""

import csv
from collections.abc import Iterable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from openfunnel_async import Company, LookalikeSearch, OpenFunnel
from openfunnel_async.sandbox import JobLife, Sandbox
from tests.docs.pages import DOCS, blocks
from tests.docs.programs import environment_of, run_program

pytestmark = pytest.mark.anyio

REFRESH, TAKE, DIFF = blocks(DOCS / "how-to" / "do-not-buy-it-twice.md", "python")
# At the speed of the sandbox a page takes a third of a second.
LIFE = JobLife(queue=0, first_page_after=10, seconds_per_page=30, closing=0)


async def run(code: str, folder: Path, sandbox: Sandbox) -> list[str]:
    done: CompletedProcess[bytes] = await run_program(
        code, folder, environment_of(sandbox)
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode().splitlines()


async def buy(sandbox: Sandbox, query: str, limit: int) -> list[Company]:
    """Buy companies without a Book: those of the CRM."""
    async with OpenFunnel(sandbox.api_key, base_url=sandbox.base_url) as client:
        job = await client.submit(LookalikeSearch(query=query, limit=limit))
        return list((await job.result()).rows)


def write_crm(folder: Path, companies: Iterable[Company]) -> None:
    with (folder / "crm.csv").open("w", encoding="utf-8", newline="") as file:
        lines = csv.writer(file)
        lines.writerow(("name", "linkedin_url", "domain"))
        for company in companies:
            lines.writerow((company.name, company.linkedin_url, company.domain))
        lines.writerow(("without either", "", ""))


async def test_a_refresh_says_what_was_new_and_agrees_with_the_bill(
    tmp_path: Path,
) -> None:
    """Caught: a company of the CRM among those that are new."""
    async with Sandbox(speed=100, lives=[LIFE] * 6) as sandbox:
        owned = await buy(sandbox, "voice AI for clinics", 150)
        write_crm(tmp_path, owned)
        used = sandbox.ledger.used
        first, *companies, rows, bill, stopped = await run(REFRESH, tmp_path, sandbox)
        spent = sandbox.ledger.used - used
        assert first == "150 companies of the CRM were not in the Book"
        total, _, new, _, known, _ = rows.replace(":", "").replace(",", "").split()
        assert int(new) == len(companies) >= 300
        assert int(new) + int(known) == int(total) == spent
        assert int(known) > 0
        price = f"{spent / int(new):.2f}"
        assert bill == (
            f"{spent:g} credits, {price} a new company; 0 searches answered from the "
            "Book"
        )
        assert stopped.startswith("0 jobs stopped early, ")
        lines = {f"{company.name} {company.domain}" for company in owned}
        assert lines.isdisjoint(companies)

        again = await run(REFRESH, tmp_path, sandbox)
        assert again[0] == "0 companies of the CRM were not in the Book"
        assert again[1:] == [*companies, rows, bill, stopped]
        assert sandbox.ledger.used == used + spent

        used = sandbox.ledger.used
        taken, bill = await run(TAKE, tmp_path, sandbox)
        assert taken.startswith("25 new companies among ")
        assert bill == f"{sandbox.ledger.used - used:g} credits"

        other = REFRESH.replace("clinics-november", "clinics-december")
        used = sandbox.ledger.used
        *_, bill, _ = await run(other, tmp_path, sandbox)
        billed = sandbox.ledger.used - used
        assert bill.startswith(f"{billed:g} credits")
        [said] = await run(DIFF, tmp_path, sandbox)
        assert " companies in both, " in said
