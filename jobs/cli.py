"""The `motionsight` command line: run a command, and report errors in one line."""

import os
import signal
import sys


def main() -> None:
    """Run the command line.

    Exit codes: 0 done; 1 the run failed; 2 wrong usage; 3 clips are left, or too many failed; 130 and 143
    stopped by a signal.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _stop)
    # All imports come after that: Ctrl-C ends even the first tenth of a second without a traceback.
    import logging

    from pipeline.errors import CallError, RunError, reason

    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    try:
        # Imported here, so that a backend or gate that cannot be imported is reported like any other error.
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
    """Exit cleanly on the first Ctrl-C or SIGTERM, and immediately on the second."""
    signal.signal(number, signal.SIG_DFL)
    sys.exit(128 + number)


def _fail(message: str, code: int) -> None:
    from jobs.console import console
    from pipeline.text import without_keys

    console().print(f"error: {without_keys(message)}", markup=False, soft_wrap=True)
    sys.exit(code)


if __name__ == "__main__":
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    main()
