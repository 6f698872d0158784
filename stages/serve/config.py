"""The settings of the endpoint."""

from pydantic import BaseModel, ConfigDict, Field


class ServeConfig(BaseModel):
    """How much the endpoint takes on, and what it reads for its clients."""

    model_config = ConfigDict(extra="forbid")

    places: int = Field(32, ge=1, description="requests at once, waiting ones too; more are refused with 429")
    looks: int = Field(2, ge=1, description="clips looked at at once, each in a process of its own")
    body_mb: float = Field(64.0, gt=0, description="of one request, MiB; above it, 413")
    bodies_mb: float = Field(256.0, gt=0, description="of all that are being read, MiB; above it, 429")
    body_timeout_s: float = Field(60.0, gt=0, description="for a request to arrive; above it, 408")
    timeout_s: float = Field(300.0, gt=0, description="from the request to the end of the answer; 504")
    max_frames: int = Field(256, ge=2, description="pictures in one request")
    max_tokens: int = Field(2048, ge=1, description="the longest answer that a client may ask for")
    fetch_hosts: list[str] = Field(
        [], description="whose http(s) URLs are read: host, or host:port; never at a private address"
    )
