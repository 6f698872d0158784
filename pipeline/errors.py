"""What can go wrong, and whose doing it is: the clip's, the caller's, or the machine's.

This module imports nothing, so that a model's own environment needs no more than Ray to load it.
"""

NOT_ALL = 3  # exit code: nothing is wrong, but the result is incomplete

# The codes a failed clip carries, each with the sentence that stands for it by default.
ERRORS = {
    "missing_file": "the file is not there or cannot be read",
    "not_a_video": "the file is not a video that can be opened",
    "no_video_stream": "the file has no video stream",
    "decode_error": "the video stream cannot be decoded",
    "too_few_frames": "fewer than two frames, so nothing can be seen to move",
    "timeout": "the clip took longer than its time limit",
    "worker_crash": "the process working on the clip died",
    "out_of_memory": "the clip needed more memory than it may have",
    "mllm_error": "the multimodal model did not answer",
    "mllm_bad_output": "the multimodal model answered, but not in the form asked for",
    "withheld": "what was measured is not certain enough for an answer",
    "internal": "a defect of this program: please report it",
}


class ClipError(Exception):
    """A clip cannot be processed; the others go on.

    Attributes:
        code: A key of `ERRORS`.
        detail: A sentence about this clip.
    """

    def __init__(self, code: str, detail: str = "") -> None:
        self.code = code
        self.detail = detail or ERRORS[code]
        super().__init__(f"{code}: {self.detail}")


class CallError(Exception):
    """The call is wrong: exit code 2. The message says what, where, and what would be right."""


class RunError(Exception):
    """The work failed: exit code 1. The message says what, where, and what to do; finished work is kept."""


class CeilingError(RunError):
    """The cost ceiling leaves no room for a clip, or for the rest of one: the run ends in good order."""


def reason(error: BaseException) -> str:
    """Return an error's message as a single line."""
    return " ".join(str(getattr(error, "strerror", None) or error).split())
