"""What the pages of `review` and `browse` have in common: what browsers may load, and how videos come."""

import asyncio
import json
from concurrent.futures import Future
from pathlib import Path
from typing import Any, TypeVar

import jinja2
from fastapi import FastAPI, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, Response

from pipeline.errors import ClipError, RunError
from stages.video.playable import Videos

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; media-src 'self'; connect-src 'self';"
    " img-src {images}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
KEPT = {"cache-control": "private, max-age=3600"}  # by the browser, seconds

T = TypeVar("T")


def page_app(title: str, images: str = "data:") -> FastAPI:
    """Build an app for a page whose browser loads nothing from elsewhere, and no script that it is not sent.

    Args:
        title: Of the app.
        images: Where the page's images come from, as a content policy names it.
    """
    app = FastAPI(title=title, docs_url=None, redoc_url=None, openapi_url=None)

    @app.middleware("http")
    async def secure(request: Request, call_next: Any) -> Response:
        answer: Response = await call_next(request)
        answer.headers["content-security-policy"] = POLICY.format(images=images)
        answer.headers["referrer-policy"] = "no-referrer"
        answer.headers["x-content-type-options"] = "nosniff"
        answer.headers.setdefault("cache-control", "no-store")
        return answer

    @app.exception_handler(RequestValidationError)
    async def refuse(_: Request, error: RequestValidationError) -> Response:
        # Without what was sent, which need not be text that can be sent back.
        wrong = [{"loc": each["loc"], "msg": each["msg"]} for each in error.errors()]
        return Response(json.dumps({"detail": wrong}), 422, media_type="application/json")

    return app


def template(folder: Path, name: str) -> jinja2.Template:
    """Load a page that escapes whatever is put into it."""
    loader = jinja2.FileSystemLoader(folder)
    environment = jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined)
    environment.policies["json.dumps_kwargs"] = {"allow_nan": False, "separators": (",", ":")}
    return environment.get_template(name)


async def made(future: Future[T]) -> T:
    """Wait for what is made of a clip. Raises HTTPException if that fails."""
    try:
        # Waited for without a thread, which others need; shielded, as others may wait for the same.
        return await asyncio.shield(asyncio.wrap_future(future))
    except ClipError as error:
        raise HTTPException(422, f"{error.detail} ({error.code})") from error
    except RunError as error:
        raise HTTPException(503, str(error)) from error


async def video(videos: Videos, clip_id: str) -> FileResponse:
    """Answer with a clip that the browser can play. Raises HTTPException."""
    try:
        making = videos.get(clip_id)
    except KeyError:
        raise HTTPException(404, "there is no such clip") from None
    path, kind = await made(making)
    if not Path(path).is_file():
        raise HTTPException(404, "the clip's file is gone")
    # Starlette answers the ranges that players ask for when they seek.
    return FileResponse(path, media_type=kind, headers=KEPT)
