"""The settings of `motionsight ingest`."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

# How datasets name segments of one video: Kinetics (id_000100_000110), ActivityNet (id_t0.13-5.64), Pexels
# and Pixabay shots (..._7895832_002).
PIECE = r"^(?P<video>.+?)(?:_\d{6}_\d{6}|_t\d+(?:\.\d+)?-\d+(?:\.\d+)?|(?<=\d{4})_\d{3})$"


class IngestConfig(BaseModel):
    """How clips are found and named."""

    model_config = ConfigDict(extra="forbid")

    video_id_pattern: str = Field(
        PIECE, description="regular expression for file names; its group 'video' names the source video"
    )
    source: str | None = Field(None, description="name of the collection; null: the clip's folder")
    shots: Literal["none", "content", "adaptive"] = Field(
        "none", description="detector of PySceneDetect that cuts videos into shots; none: videos are not cut"
    )
    shot_min_s: float = Field(2.0, gt=0, description="shorter shots are left out, seconds")
    shot_max_s: float = Field(20.0, gt=0, description="longer shots are cut into equal pieces, seconds")
