"""The flags that set the fields of a request, for messages about these fields."""

from openfunnel_async import ValidationIssue
from openfunnel_async.errors import RequestRejectedError

_FLAGS = {
    "seed_domains": "--seed-domain",
    "funding_stages": "--funding-stage",
    "locations": "--location",
    "min_employees": "--min-employees",
    "max_employees": "--max-employees",
    "search_type": "--search-type",
    "limit": "--limit",
    "query": "--query",
    "email": "--email",
    "otp_code": "--code",
    "job_id": "the job's id",
}


def replace_fields(text: str) -> str:
    """Replace the names of fields by the names of their flags."""
    words = text.split(" ")
    fields = (word.rstrip(",") for word in words)
    return " ".join(
        word.replace(field, _FLAGS.get(field, field))
        for word, field in zip(words, fields, strict=True)
    )


def describe_rejection(error: RequestRejectedError) -> str:
    """Describe a refused request by the flags that caused it."""
    issues = [_describe_issue(issue) for issue in error.issues]
    if not issues:
        return str(error)
    faults = "; ".join(issues)
    return f"the service refused it, and nothing was spent: {faults}"


def _describe_issue(issue: ValidationIssue) -> str:
    names = (_FLAGS.get(str(part)) for part in issue.loc)
    place = ".".join(map(str, issue.loc))
    return f"{next(filter(None, names), place)}: {issue.msg}"
