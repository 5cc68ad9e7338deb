"""Accounts: a key, its credits and its jobs, which no other key can read."""

import hashlib
from collections.abc import Iterator

import attrs

from openfunnel_async.sandbox._service.jobs import Job
from openfunnel_async.sandbox._service.ledger import Ledger, LedgerEntry


def derive_key(seed: str, owner: str = "") -> str:
    """Make a key of the documented form: ``of_`` and 64 hexadecimal digits."""
    return f"of_{hashlib.sha256(f'{seed}/key/{owner}'.encode()).hexdigest()}"


@attrs.define(eq=False, kw_only=True)
class Account:
    """A key and its credits and jobs.

    Attributes:
        key: The key.
        ledger: Credits and bills.
        jobs: Jobs by id, in the order of their submits.
    """

    key: str = attrs.field(repr=False)
    ledger: Ledger
    jobs: dict[str, Job] = attrs.field(init=False, factory=dict[str, Job])

    def free_credits(self, moment: float) -> float:
        """Return the credits that no active job of this account has reserved."""
        active = (job for job in self.jobs.values() if moment < job.ends_at)
        return self.ledger.balance - sum(job.reserved for job in active)

    def bill_ended_jobs(self, moment: float, *, failed_rows_billed: bool) -> None:
        """Bill every job that ended by ``moment``, in the order of their ends."""
        for job in sorted(self._unbilled(moment), key=_ends_at):
            free = job.ends == "failed" and not failed_rows_billed
            self.ledger.post(
                LedgerEntry(
                    time=job.ends_at,
                    job_id=job.id,
                    companies=job.delivered,
                    credits=0.0 if free else float(job.delivered),
                )
            )

    def _unbilled(self, moment: float) -> Iterator[Job]:
        for job in self.jobs.values():
            if job.ends_at <= moment and not self.ledger.has(job.id):
                yield job


def _ends_at(job: Job) -> float:
    return job.ends_at


@attrs.define(eq=False, kw_only=True)
class Accounts:
    """Every account of a sandbox.

    Attributes:
        seed: The text from which the keys are made.
        credits: Credits of each account at its start.
        first: The account of the sandbox's own key.
    """

    seed: str
    credits: float
    first: Account
    _by_key: dict[str, Account] = attrs.field(init=False, repr=False)
    _owners: dict[str, str] = attrs.field(init=False, factory=dict[str, str])

    def __attrs_post_init__(self) -> None:
        self._by_key = {self.first.key: self.first}

    def find(self, key: str) -> Account | None:
        """Return the account of a key, or None."""
        return self._by_key.get(key)

    def open(self, owner: str) -> str:
        """Return an owner's key; the first call opens the account."""
        key = derive_key(self.seed, owner)
        if key not in self._by_key:
            ledger = Ledger(total=self.credits)
            self._by_key[key] = Account(key=key, ledger=ledger)
        return key

    def key_of(self, email: str) -> str:
        """Return the key of an address; the first one gets the sandbox's own key."""
        if email not in self._owners:
            key = self.open(email) if self._owners else self.first.key
            self._owners[email] = key
        return self._owners[email]

    def bill_ended_jobs(self, moment: float, *, failed_rows_billed: bool) -> None:
        """Bill every job that ended by ``moment``."""
        for account in self._by_key.values():
            account.bill_ended_jobs(moment, failed_rows_billed=failed_rows_billed)
