"""A checkpoint as text: readable, versioned, and read back or refused."""

import json
from typing import Any

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openfunnel_async import ConfigurationError, JobCheckpoint

IDS = st.from_regex(r"[A-Za-z0-9._~-]{1,128}", fullmatch=True).filter(
    lambda text: text not in {".", ".."}
)
LABELS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=40).filter(
    lambda text: bool(text.strip())
)
CHECKPOINTS = st.builds(
    JobCheckpoint,
    job_id=IDS,
    page=st.none() | LABELS,
    offset=st.integers(0, 100),
    rows_before=st.integers(0, 10_000),
    limit=st.none() | st.integers(1, 10_000),
)
PLACE = JobCheckpoint(
    job_id="job-1", page="page_0003", offset=42, rows_before=300, limit=500
)


def text_of(**changes: object) -> str:
    """Write a checkpoint with some of its fields changed."""
    return json.dumps(json.loads(str(PLACE)) | changes)


@settings(deadline=None)
@given(CHECKPOINTS)
def test_what_str_writes_is_read_back(place: JobCheckpoint) -> None:
    """Caught: the limit left out of the text."""
    assert JobCheckpoint.parse(str(place)) == place


@settings(deadline=None)
@given(CHECKPOINTS)
def test_it_is_one_line_of_plain_characters(place: JobCheckpoint) -> None:
    assert str(place).isascii()
    assert str(place).isprintable()


def test_it_is_versioned_json_that_a_person_can_read() -> None:
    assert json.loads(str(PLACE)) == {
        "version": 1,
        "job_id": "job-1",
        "page": "page_0003",
        "offset": 42,
        "rows_before": 300,
        "limit": 500,
        "kind": "lookalikes",
    }


def test_only_the_job_must_be_named() -> None:
    place = JobCheckpoint(job_id="job-1")
    assert attrs.astuple(place) == ("job-1", None, 0, 0, None, "lookalikes")


def test_another_kind_of_job_is_refused() -> None:
    """Caught: the rows of one kind of job read as those of another."""
    with pytest.raises(ConfigurationError, match="another kind of job"):
        JobCheckpoint.parse(text_of(kind="people"))
    with pytest.raises(ConfigurationError, match="another kind of job"):
        JobCheckpoint(job_id="job-1", kind="people")


@pytest.mark.parametrize("version", [2, 0, "1", None, [1], 1.5])
def test_another_version_is_refused_with_both_numbers(version: object) -> None:
    """Caught: the version not read."""
    with pytest.raises(ConfigurationError, match="version 1; install") as caught:
        JobCheckpoint.parse(text_of(version=version))
    assert repr(version)[:20] in str(caught.value)


def test_a_newer_version_is_refused_whatever_else_it_has() -> None:
    """Caught: the fields compared before the version."""
    newer = '{"version": 2, "job": "job-1", "cursor": [1, 2]}'
    with pytest.raises(ConfigurationError, match="version 2, and this package reads"):
        JobCheckpoint.parse(newer)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "page_0003",
        "null",
        "1",
        "[]",
        "{}",
        '["version"]',
        '{"job_id": "job-1"}',
        '{"version": 1',
        "{" * 100_000,
        "[" * 100_000,
        '{"version": ' + "1" * 5000 + "}",
        "\x00",
        "\ud800",
    ],
    ids=lambda text: repr(text[:20]),
)
def test_what_is_no_checkpoint_is_refused(text: str) -> None:
    """Caught: RecursionError let through."""
    with pytest.raises(ConfigurationError, match="unchanged"):
        JobCheckpoint.parse(text)


@pytest.mark.parametrize("value", [None, 1, 1.5, ["version"], {"version": 1}])
def test_what_is_no_text_is_refused(value: Any) -> None:
    with pytest.raises(ConfigurationError, match="unchanged"):
        JobCheckpoint.parse(value)


@pytest.mark.parametrize("name", [field.name for field in attrs.fields(JobCheckpoint)])
def test_a_missing_key_is_refused(name: str) -> None:
    fields = json.loads(str(PLACE))
    del fields[name]
    with pytest.raises(ConfigurationError, match=f"exactly .*{name}"):
        JobCheckpoint.parse(json.dumps(fields))


def test_a_key_too_many_is_refused() -> None:
    """Caught: keys that are not known dropped, as a newer package's would be."""
    with pytest.raises(ConfigurationError, match="exactly"):
        JobCheckpoint.parse(text_of(api_key="none of its business"))


WRONG: list[tuple[str, object]] = [
    ("offset", -1),
    ("offset", 1.0),
    ("offset", True),
    ("offset", None),
    ("offset", "3"),
    ("rows_before", -1),
    ("rows_before", None),
    ("limit", 0),
    ("limit", -5),
    ("limit", "500"),
    ("page", ""),
    ("page", 3),
    ("page", "\ud800"),
    ("job_id", ""),
    ("job_id", None),
    ("job_id", 7),
    ("job_id", "."),
    ("job_id", ".."),
    ("job_id", "../v1/credits"),
    ("job_id", "a/b"),
    ("job_id", "a?cursor=x"),
    ("job_id", "a#b"),
    ("job_id", "a%2Fb"),
    ("job_id", "a\r\nX-Other: 1"),
    ("job_id", "job 1"),
    ("job_id", "jöb"),
    ("job_id", "x" * 129),
]


@pytest.mark.parametrize(("name", "value"), WRONG)
def test_a_field_that_cannot_be_right_is_refused(name: str, value: object) -> None:
    """Caught: `check_job_id` left out; a bool taken for a number."""
    with pytest.raises(ConfigurationError, match=name):
        JobCheckpoint.parse(text_of(**{name: value}))


@pytest.mark.parametrize(("name", "value"), WRONG)
def test_the_value_refuses_it_as_well(name: str, value: Any) -> None:
    with pytest.raises(ConfigurationError, match=name):
        attrs.evolve(PLACE, **{name: value})


def test_numbers_that_json_does_not_have_are_refused() -> None:
    text = str(PLACE).replace("42", "NaN")
    with pytest.raises(ConfigurationError, match="offset"):
        JobCheckpoint.parse(text)
