"""The settings of ingest."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

# Names that datasets give to pieces of one video: Kinetics (id_000100_000110), ActivityNet
# (id_t0.13-5.64), Pexels and Pixabay shots (..._7895832_002).
PIECE = r"^(?P<video>.+?)(?:_\d{6}_\d{6}|_t\d+(?:\.\d+)?-\d+(?:\.\d+)?|(?<=\d{4})_\d{3})$"


class IngestConfig(BaseModel):
    """How clips are found and named."""

    model_config = ConfigDict(extra="forbid")

    video_id_pattern: str = Field(
        PIECE, description="regular expression; its group 'video' in a file's name is the source video"
    )
    source: str | None = Field(None, description="name of the collection; null: the folder the clip is in")
    shots: Literal["none", "content", "adaptive"] = Field(
        "none", description="cut long videos into shots with PySceneDetect"
    )
    shot_min_s: float = Field(2.0, gt=0, description="shots shorter than this are left out, seconds")
    shot_max_s: float = Field(20.0, gt=0, description="longer shots are cut into equal pieces, seconds")
