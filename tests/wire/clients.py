"""Clients that are quick to give up and to look again."""

from typing import Any

from openfunnel_async import LookalikeSearch, OpenFunnel, PollPolicy, RetryPolicy

KEY = "of_" + "ab" * 32
SEARCH = LookalikeSearch(query="voice ai", limit=250)
JOB_ID = "0b6f1c1e-7d51-4c56-9b0c-3f1f4f0e8a11"
SUBMITTED = f'{{"job_id": "{JOB_ID}", "message": "queued", "status": "pending"}}'
CANCELLING = f'{{"job_id": "{JOB_ID}", "message": "ok", "status": "cancelling"}}'
RUNNING = f'{{"job_id": "{JOB_ID}", "status": "running"}}'


def client_of(base_url: str, key: str = KEY, **options: Any) -> OpenFunnel:
    """Make a client that tries once and looks every hundredth of a second."""
    options = {"retry": RetryPolicy(attempts=1), **options}
    return OpenFunnel(key, base_url=base_url, polling=PollPolicy.fixed(0.01), **options)
