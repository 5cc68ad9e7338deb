"""The questions that docs/reference/contract.md leaves open, as options."""

from typing import Literal

import attrs
from attrs import validators


def _check_settle(_: object, __: object, settle: float | str) -> None:
    """Reject a value that is neither a number of seconds nor ``next_page``."""
    if isinstance(settle, str):
        if settle != "next_page":
            raise ValueError(f"settle is seconds or 'next_page', not {settle!r}")
    elif settle < 0:
        raise ValueError(f"settle cannot be below 0 ({settle} s)")


@attrs.frozen(kw_only=True)
class Unknowns:
    """How a sandbox answers where the contract says "unknown".

    Every value conforms to contract/openapi.yaml. The defaults are the simplest
    guesses; a correct client is correct with all of them.

    Attributes:
        wrong_key_status: The status for a wrong key. Access: "401 or 403".
        newest_page_grows: Whether the quarters of the newest page can be read while it
            is written. Read: "whether the newest page can still grow".
        second_cancel: The status for a cancel of a cancelling job. Cancel: "200 or
            409".
        cancel_reply_has_status: Whether the answer to a cancel has the status
            ``cancelling``. Cancel: "``status`` may be missing".
        past_end_cursor: The answer to a cursor without a written page. Read: "404, 422
            or an empty page".
        pending_shape: The page, rows and manifest of a pending job: ``nulls`` (no rows,
            the others null), ``absent`` (only id and status) or ``empty`` (an empty
            first page and an empty manifest).
        job_visible_after: Seconds after the submit in which requests for the job are
            answered with 404. Read: "might not see the job yet".
        labels: Whether the labels of pages are ``page_0000`` or opaque texts.
        failed_rows_billed: Whether a failed job's rows cost credits. Money:
            "unknown".
        low_credits: Whether a search beyond the credits is rejected with 400, or
            accepted, partly delivered and then failed. Submit: "refused at submit or a
            failed/partial job".
        submit_reply_has_limit: Whether the answer to a submit has ``requested_limit``.
        least_limit: Smaller limits are raised to this one: the answer to the submit
            has it as ``requested_limit``, and the job delivers and bills up to it.
            Submit: the contract does not say that a limit is accepted unchanged.
        submit_status_code: The status for a submit. Submit: "take any 2xx".
        settle: Seconds from a cancel to the checkpoint where the job stops, or
            ``next_page`` for one second after the current page is complete. Cancel:
            "time to settle: unknown".
        bare_bodies: The body of 404 and 409 of a job. Cancel: "404 and 409 have no
            declared body".
        error_nesting: Where an error has its ``error_code``. Access: "of uncertain
            nesting".
    """

    __module__ = "openfunnel_async.sandbox"

    wrong_key_status: Literal[401, 403] = attrs.field(
        default=401, validator=validators.in_((401, 403))
    )
    newest_page_grows: bool = False
    second_cancel: Literal[200, 409] = attrs.field(
        default=200, validator=validators.in_((200, 409))
    )
    cancel_reply_has_status: bool = True
    past_end_cursor: Literal["404", "422", "empty"] = attrs.field(
        default="404", validator=validators.in_(("404", "422", "empty"))
    )
    pending_shape: Literal["nulls", "absent", "empty"] = attrs.field(
        default="nulls", validator=validators.in_(("nulls", "absent", "empty"))
    )
    job_visible_after: float = attrs.field(default=0.0, validator=validators.ge(0))
    labels: Literal["numbered", "opaque"] = attrs.field(
        default="numbered", validator=validators.in_(("numbered", "opaque"))
    )
    failed_rows_billed: bool = True
    low_credits: Literal["refuse", "fail"] = attrs.field(
        default="refuse", validator=validators.in_(("refuse", "fail"))
    )
    submit_reply_has_limit: bool = True
    least_limit: int = attrs.field(
        default=1, validator=[validators.ge(1), validators.le(10_000)]
    )
    submit_status_code: Literal[200, 201, 202] = attrs.field(
        default=200, validator=validators.in_((200, 201, 202))
    )
    settle: float | Literal["next_page"] = attrs.field(
        default=2.0, validator=_check_settle
    )
    bare_bodies: Literal["json", "empty"] = attrs.field(
        default="json", validator=validators.in_(("json", "empty"))
    )
    error_nesting: Literal["top", "detail"] = attrs.field(
        default="top", validator=validators.in_(("top", "detail"))
    )
