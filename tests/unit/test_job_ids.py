"""Which ids may enter a URL."""

from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openfunnel_async import ConfigurationError
from openfunnel_async._values.checks import check_job_id, is_job_id

HOSTILE: list[object] = [
    "",
    ".",
    "..",
    "a/b",
    "../balance",
    "a\\b",
    "a?b",
    "a#b",
    "a%2e",
    "a b",
    "a\n",
    "\na",
    "a" * 129,
    "١٢٣",
    "jöb",
    "job\x00",
]


@pytest.mark.parametrize("job_id", HOSTILE)
def test_an_id_that_could_change_the_path_is_refused(job_id: Any) -> None:
    """Caught: `match` in place of `fullmatch`, which lets "a/b" through."""
    assert not is_job_id(job_id)
    with pytest.raises(ConfigurationError, match="job_id must be 1-128 characters"):
        check_job_id(job_id)


@pytest.mark.parametrize(
    ("job_id", "words"),
    [
        (None, "not NoneType"),
        (7, "not int"),
        (b"job-1", "not bytes: use .decode()"),
        (UUID(int=1), "not UUID: use str(...)"),
        (["job-1"], "not list"),
    ],
)
def test_an_id_of_another_type_is_refused_in_words_that_help(
    job_id: Any, words: str
) -> None:
    assert not is_job_id(job_id)
    with pytest.raises(ConfigurationError) as caught:
        check_job_id(job_id)
    assert str(caught.value) == f"job_id must be text, {words}"


@pytest.mark.parametrize("job_id", ["a", "...", "job_1.2~3-4", "A" * 128, "-", "of_5e"])
def test_an_id_of_harmless_characters_is_taken(job_id: str) -> None:
    assert check_job_id(job_id) == job_id


@settings(deadline=None)
@given(st.text())
def test_whatever_is_taken_needs_no_quoting(text: str) -> None:
    harmless = set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._~-")
    allowed = 0 < len(text) <= 128 and set(text) <= harmless
    assert is_job_id(text) == (allowed and text not in {".", ".."})
