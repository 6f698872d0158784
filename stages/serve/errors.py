"""Errors as clients get them, in OpenAI's format."""

import json
from typing import Any

from pipeline.errors import ClipError
from stages.models.protocols import Reply

# Clients retry a request that got 5xx. A clip that fails every time should not be retried, so it is 4xx.
CLIP_STATUS = {"internal": 500}
TYPES = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    429: "rate_limit_error",
}


class ApiError(Exception):
    """A request that gets an error instead of an answer.

    Attributes:
        status: The HTTP status.
        message: A sentence for people.
        code: A word for programs.
        param: The field of the request that is wrong, if it is one.
        headers: Headers for the response.
    """

    def __init__(
        self,
        status: int,
        message: str,
        code: str,
        param: str | None = None,
        retry_after_s: int | None = None,
    ) -> None:
        """The attributes, and when the client should try again, in seconds."""
        super().__init__(message)
        self.status, self.message, self.code, self.param = status, message, code, param
        self.headers = {} if retry_after_s is None else {"retry-after": str(retry_after_s)}

    @property
    def body(self) -> dict[str, Any]:
        """The body of the response, to be encoded as JSON."""
        kind = TYPES.get(self.status, "server_error" if self.status >= 500 else "invalid_request_error")
        return {"error": {"message": self.message, "type": kind, "param": self.param, "code": self.code}}


def of_clip(error: ClipError, folder: str) -> ApiError:
    """The error for a clip that cannot be processed.

    Args:
        error: What is wrong with it.
        folder: Where it was stored, which is removed from the message.
    """
    detail = error.detail.replace(folder, "")
    return ApiError(CLIP_STATUS.get(error.code, 400), f"the video: {detail}", error.code, "messages")


def of_reply(reply: Reply) -> ApiError:
    """The error for a model that gave no answer."""
    return ApiError(502, f"the model gave no answer: {reply.detail}", reply.error or "mllm_error")


def refusal(status: int, message: str) -> tuple[str, str]:
    """The content type and the body of a response that denies access."""
    return "application/json", json.dumps(ApiError(status, message, "refused").body)
