"""The `motionsight` command line: runs a command, and reports what goes wrong in one line."""

import logging
import os
import signal
import sys

from jobs.session import console
from pipeline.errors import CallError, RunError, reason


def main() -> None:
    """Run the command line.

    Exit codes: 0 done, 1 the work failed, 2 the call is wrong, 3 not all clips are done.
    """
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _stop)
    try:
        # Here, so that a backend or a gate that cannot be imported is reported like any other error.
        from jobs.commands import app
        from jobs.options import ending

        with ending:
            app()
    except CallError as error:
        _fail(str(error), 2)
    except RunError as error:
        _fail(str(error), 1)
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        _fail(f"{reason(error)}{where}; finished work is kept", 1)


def _stop(number: int, _: object) -> None:
    """End in good order at the first Ctrl-C or SIGTERM, and at once at the second."""
    signal.signal(number, signal.SIG_DFL)
    sys.exit(128 + number)


def _fail(message: str, code: int) -> None:
    console().print(f"error: {message}", markup=False, soft_wrap=True)
    sys.exit(code)


if __name__ == "__main__":
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    main()
