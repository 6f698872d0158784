"""Options whose value may be left out."""

import pytest
import typer
from typer.testing import CliRunner

from jobs.options import Retry, Retrying


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ([], None),
        (["--retry-failed"], "all"),
        (["--retry-failed", "--other"], "all"),
        (["--retry-failed", "timeout", "--other"], "timeout"),
        (["--retry-failed=timeout"], "timeout"),
    ],
)
def test_the_code_of_retry_failed_may_be_left_out(words: list[str], code: str | None) -> None:
    app = typer.Typer()

    @app.command(cls=Retrying)
    def command(retry: Retry = None, other: bool = False) -> None:
        print(retry, other)

    assert CliRunner().invoke(app, words).stdout == f"{code} {'--other' in words}\n"
