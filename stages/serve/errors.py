"""What a client is told when there is no answer, in OpenAI's form."""

import json
from typing import Any

from pipeline.errors import ClipError
from stages.models.protocols import Reply

# An answer of 5xx is asked for again by clients, so a clip that fails every time is the request's fault.
CLIP_STATUS = {"internal": 500}
KINDS = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    429: "rate_limit_error",
}


class ApiError(Exception):
    """A request that gets no answer. status: of HTTP. retry_after_s: when to come again."""

    def __init__(
        self,
        status: int,
        message: str,
        code: str,
        param: str | None = None,
        retry_after_s: int | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.message, self.code, self.param = status, message, code, param
        self.headers = {} if retry_after_s is None else {"retry-after": str(retry_after_s)}

    @property
    def body(self) -> dict[str, Any]:
        kind = KINDS.get(self.status, "server_error" if self.status >= 500 else "invalid_request_error")
        return {"error": {"message": self.message, "type": kind, "param": self.param, "code": self.code}}


def of_clip(error: ClipError, folder: str) -> ApiError:
    """A clip that cannot be worked on. folder: where it was put, which is nobody's business."""
    told = error.detail.replace(folder, "")
    return ApiError(CLIP_STATUS.get(error.code, 400), f"the video: {told}", error.code, "messages")


def of_reply(reply: Reply) -> ApiError:
    """A model that gave no answer."""
    return ApiError(502, f"the model gave no answer: {reply.detail}", reply.error or "mllm_error")


def refusal(status: int, told: str) -> tuple[str, str]:
    """One who may not come in, as the type and the text of an answer."""
    return "application/json", json.dumps(ApiError(status, told, "refused").body)
