"""Getting a key: a code is sent, and traded once."""

import pytest

from openfunnel_async.sandbox import Unknowns
from tests.sandbox.caller import Caller, by_hand

ADA = "ada@example.org"


def _visitor(**options: object) -> Caller:
    return Caller(by_hand(**options).service, key=None)


def test_a_code_of_six_digits_is_traded_for_the_key_of_the_sandbox() -> None:
    visitor = _visitor()
    visitor.sign_up(email=ADA)
    code = visitor.service.codes[ADA]
    answer = visitor.verify(email=ADA, otp_code=code)
    assert (len(code), code.isdecimal()) == (6, True)
    key = visitor.service.api_key
    assert answer.body == {"email": ADA, "api_key": key, "is_new_user": True}


def test_the_key_has_the_documented_form() -> None:
    key = by_hand().service.api_key
    assert (key[:3], len(bytes.fromhex(key[3:]))) == ("of_", 32)


def test_a_code_works_once() -> None:
    """It failed with the code kept after the trade."""
    visitor = _visitor()
    visitor.sign_up(email=ADA)
    code = visitor.service.codes[ADA]
    visitor.verify(email=ADA, otp_code=code)
    again = visitor.verify(email=ADA, otp_code=code)
    assert (again.status, again.body["error_code"]) == (400, "OTP_EXPIRED")


def test_the_same_address_recovers_its_account() -> None:
    visitor = _visitor()
    keys: list[tuple[str, bool]] = []
    for _ in range(2):
        visitor.sign_up(email=ADA)
        code = visitor.service.codes[ADA]
        body = visitor.verify(email=ADA, otp_code=code).body
        keys.append((body["api_key"], body["is_new_user"]))
    key = visitor.service.api_key
    assert keys == [(key, True), (key, False)]


def test_another_address_has_an_account_of_its_own() -> None:
    visitor = _visitor()
    for email in (ADA, "bob@example.org"):
        visitor.sign_up(email=email)
        code = visitor.service.codes[email]
        visitor.key = visitor.verify(email=email, otp_code=code).body["api_key"]
    assert visitor.key != visitor.service.api_key
    assert visitor.balance().status == 200


@pytest.mark.parametrize("nesting", ["top", "detail"])
def test_a_wrong_code_returns_the_remaining_attempts(nesting: str) -> None:
    position = Unknowns(error_nesting="detail" if nesting == "detail" else "top")
    visitor = _visitor(unknowns=position)
    visitor.sign_up(email=ADA)
    answer = visitor.verify(email=ADA, otp_code="nope")
    error = answer.body["detail"] if nesting == "detail" else answer.body
    assert (answer.status, error["error_code"]) == (400, "OTP_INVALID")
    assert error["details"] == {"remaining_attempts": 9}


def test_ten_wrong_codes_are_too_many() -> None:
    visitor = _visitor()
    visitor.sign_up(email=ADA)
    for _ in range(10):
        visitor.verify(email=ADA, otp_code="nope")
    answer = visitor.verify(email=ADA, otp_code=visitor.service.codes[ADA])
    assert (answer.status, answer.body["error_code"]) == (429, "OTP_MAX_ATTEMPTS")


def test_a_code_lives_a_day() -> None:
    visitor = _visitor()
    visitor.sign_up(email=ADA)
    code = visitor.service.codes[ADA]
    visitor.service.advance(24 * 3600)
    answer = visitor.verify(email=ADA, otp_code=code)
    assert (answer.status, answer.body["error_code"]) == (400, "OTP_EXPIRED")


def test_codes_are_not_sent_one_upon_another() -> None:
    visitor = _visitor()
    visitor.sign_up(email=ADA)
    visitor.service.advance(12)
    answer = visitor.sign_up(email=ADA)
    assert (answer.status, answer.body["error_code"]) == (429, "RATE_LIMITED")
    assert answer.body["details"] == {"retry_after_seconds": 18}
    visitor.service.advance(18)
    assert visitor.sign_up(email=ADA).status == 200


def test_missing_fields_answer_422() -> None:
    visitor = _visitor()
    locs = [issue["loc"] for issue in visitor.verify().body["detail"]]
    assert locs == [["body", "email"], ["body", "otp_code"]]
