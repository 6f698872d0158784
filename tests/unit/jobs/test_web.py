import pytest

from jobs.web import is_loopback, token_for
from pipeline.errors import CallError


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True),
        ("127.8.0.1", True),
        ("localhost", True),
        ("LOCALHOST", True),
        ("::1", True),
        ("[::1]", True),
        ("0.0.0.0", False),
        ("::", False),
        ("10.0.0.1", False),
        ("localhost.evil.org", False),
        ("127.0.0.1.evil.org", False),
        ("", False),
    ],
)
def test_only_addresses_of_this_machine_alone_need_no_token(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected
    assert (token_for(host, None) is None) is expected


def test_tokens_are_new_each_time_and_weak_ones_are_refused() -> None:
    assert token_for("0.0.0.0", None) != token_for("0.0.0.0", None)
    assert token_for("127.0.0.1", "a-long-enough-token") == "a-long-enough-token"
    for weak in ("", "short", "with spaces in it, which", "ümläüte-sind-keine-guten"):
        with pytest.raises(CallError, match="at least 16"):
            token_for("127.0.0.1", weak)
