"""The settings of the endpoint."""

from pydantic import BaseModel, ConfigDict, Field


class ServeConfig(BaseModel):
    """How many requests the endpoint accepts, how large they may be, and which URLs it reads."""

    model_config = ConfigDict(extra="forbid")

    places: int = Field(32, ge=1, description="requests at once, waiting ones included; further ones get 429")
    looks: int = Field(2, ge=1, description="clips analysed at once, each in a process of its own")
    body_mb: float = Field(64.0, gt=0, description="largest request, MiB; a larger one gets 413")
    bodies_mb: float = Field(256.0, gt=0, description="all requests being read, MiB; beyond that, 429")
    body_timeout_s: float = Field(60.0, gt=0, description="for a request to arrive; after that, 408")
    timeout_s: float = Field(
        300.0, gt=0, description="from the request to the end of the answer; after that, 504"
    )
    max_frames: int = Field(256, ge=2, description="most images in a request")
    max_tokens: int = Field(2048, ge=1, description="longest answer that a client may ask for")
    fetch_hosts: list[str] = Field(
        [],
        description="hosts, or host:port, whose http(s) URLs are read; never at a private address",
    )
