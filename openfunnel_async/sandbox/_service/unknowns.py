"""The questions contract/facts.md leaves open, each as a switch."""

from typing import Literal

import attrs
from attrs import validators


def _check_settle(_: object, __: object, settle: float | str) -> None:
    """Refuse a settling time that is neither seconds nor the one word."""
    if isinstance(settle, str):
        if settle != "next_page":
            raise ValueError(f"settle is seconds or 'next_page', not {settle!r}")
    elif settle < 0:
        raise ValueError(f"a cancel cannot settle before it came ({settle} s)")


@attrs.frozen(kw_only=True)
class Unknowns:
    """How this sandbox answers where the contract says "unknown".

    Every position keeps to contract/openapi.yaml. The defaults are the plainest
    guesses; a client is right when it is right in all of them.

    Attributes:
        wrong_key_status: What a wrong key answers. Access: "401 or 403".
        newest_page_grows: Whether the newest page shows in quarters while it is
            being written. Read: "whether the newest page can still grow".
        second_cancel: What a cancel of a cancelling job answers. Cancel: "200
            or 409".
        cancel_reply_has_status: Whether an accepted cancel says ``cancelling``.
            Cancel: "``status`` may be missing".
        past_end_cursor: What a cursor of no written page answers. Read: "404,
            422 or an empty page".
        pending_shape: What a pending job puts into page, rows and manifest:
            ``nulls`` (no rows, the others null), ``absent`` (nothing but id and
            status) or ``empty`` (an empty first page and an empty manifest).
        job_visible_after: Seconds after the submit during which the job answers
            404. Read: "might not see the job yet".
        labels: Whether pages are called ``page_0000`` or by words without order.
        failed_rows_billed: Whether a failed job's rows cost credits. Money:
            "unknown".
        low_credits: Whether a search beyond the credits is refused with 400 or
            accepted, delivered as far as they reach, and failed. Submit: "refused
            at submit or a failed/partial job".
        submit_reply_has_limit: Whether the submit echoes ``requested_limit``.
        least_limit: The limit that smaller ones are raised to: the submit echoes it
            as ``requested_limit``, and the job delivers and bills up to it.
            Submit: nothing says that a limit is taken as it is.
        submit_status_code: Which 2xx takes a submit. Submit: "take any 2xx".
        settle: Seconds from a cancel to the checkpoint where the job stops, or
            ``next_page`` for one second after the page being written. Cancel:
            "time to settle: unknown".
        bare_bodies: What 404 and 409 of a job carry. Cancel: "404 and 409 have
            no declared body".
        error_nesting: Where ``error_code`` stands in an error. Access: "of
            uncertain nesting".
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
