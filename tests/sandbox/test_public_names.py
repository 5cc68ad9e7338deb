"""The public names of the sandbox do not show its private modules."""

import pickle

import pytest

from openfunnel_async import sandbox

DEFINED = [
    found
    for found in (getattr(sandbox, name) for name in sandbox.__all__)
    if isinstance(getattr(found, "__name__", None), str)
    and "openfunnel" in found.__module__
]
VALUES = [
    sandbox.JobLife(rows=3),
    sandbox.Unknowns(settle="next_page"),
    sandbox.StatusFault(on="cancel", status=500),
    sandbox.ResetAfter(sent=1),
    sandbox.RateLimit(per_second=2),
    sandbox.LedgerEntry(time=1.0, job_id="a", companies=2, credits=2.0),
]


@pytest.mark.parametrize("found", DEFINED, ids=lambda found: found.__name__)
def test_a_class_names_the_public_module(found: type) -> None:
    assert found.__module__ == sandbox.__name__
    assert getattr(sandbox, found.__name__) is found


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_a_value_survives_a_pickle(value: object) -> None:
    assert pickle.loads(pickle.dumps(value)) == value  # noqa: S301 -- made above
