"""What can go wrong, by whose doing: the clip's, the caller's, or the machine's."""

from pipeline.schema import ERRORS


class ClipError(Exception):
    """A clip cannot be worked on; `code` is a key of `pipeline.schema.ERRORS`. The others go on."""

    def __init__(self, code: str, detail: str = "") -> None:
        self.code = code
        self.detail = detail or ERRORS[code]
        super().__init__(f"{code}: {self.detail}")


class CallError(Exception):
    """The call is wrong: exit code 2. The message says what, where, and what would be right."""


class RunError(Exception):
    """The work failed: exit code 1. The message says what, where, and what to do; what is done is kept."""


class CeilingError(RunError):
    """No clip may be begun any more, by the ceiling of the costs: the run ends in order."""


def reason(error: BaseException) -> str:
    """An error in one line."""
    return " ".join(str(getattr(error, "strerror", None) or error).split())
