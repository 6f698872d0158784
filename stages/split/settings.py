"""The settings of `motionsight split`."""

import re
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from pipeline.errors import CallError
from stages.split.format import FORMATS


class Shares(BaseModel):
    """Share of the source videos in each split; they sum to 1."""

    model_config = ConfigDict(extra="forbid")

    train: float = Field(0.9, ge=0, le=1, description="share of the training split, 0 to 1")
    validation: float = Field(0.05, ge=0, le=1, description="share of the validation split, 0 to 1")
    test: float = Field(0.05, ge=0, le=1, description="share of the test split, 0 to 1")

    @model_validator(mode="after")
    def _whole(self) -> "Shares":
        if abs(self.train + self.validation + self.test - 1) > 1e-6:
            raise ValueError("train, validation and test must sum to 1")
        return self


class Weights(BaseModel):
    """How much each rank counts in the composite score that picks the preference clips."""

    model_config = ConfigDict(extra="forbid")

    quality: float = Field(1.0, ge=0, description="weight of the rank by technical quality")
    motion: float = Field(
        1.0, ge=0, description="weight of the rank by motion: mean flow and objects' own motion"
    )
    alignment: float = Field(
        1.0, ge=0, description="weight of the rank by how well measurements support the answers"
    )


class SplitConfig(BaseModel):
    """How the clips become a dataset."""

    model_config = ConfigDict(extra="forbid")

    seed: int = Field(0, description="seed of the split; another seed splits the same videos differently")
    shares: Shares = Shares()
    preference_share: float = Field(
        0.125, ge=0, le=1, description="largest share of the clips that give DPO rows; paper: 5K of 40K"
    )
    weights: Weights = Weights()
    min_dpo_margin: float = Field(
        0.2, gt=0, le=1, description="by how much motion_check must prefer the answer to the baseline"
    )
    categories: tuple[Literal["object", "camera", "both"], ...] = Field(
        ("object", "camera", "both"), description="kinds of question to include"
    )
    question_pattern: str | None = Field(
        None, description="regular expression that a question must match, such as '(?i)camera'; null: any"
    )
    answer_words_min: int | None = Field(None, ge=1, description="fewest words in an answer; null: no limit")
    answer_words_max: int | None = Field(None, ge=1, description="most words in an answer; null: no limit")
    rows_per_shard: int = Field(1000, ge=1, description="approximate rows in a Parquet file and its tar")
    shards: int | None = Field(
        None,
        ge=1,
        le=99999,
        description="shards in each split; null: from rows_per_shard. A fixed number keeps old rows in "
        "their shards as the data grows",
    )
    formats: list[str] | None = Field(
        None, description="trainers' formats to write, such as [llava, trl]; null: all, []: none"
    )
    preview_mb: float = Field(
        64.0,
        ge=0,
        description="videos that are also stored in preview/*.parquet, where the viewer of the Hugging Face "
        "Hub plays them, MiB in all; 0: none",
    )
    title: str = Field("MotionVid-QA", description="title of the dataset card")
    license: str = Field("unknown", description="license of the dataset, as a Hugging Face identifier")
    source_licenses: dict[str, str] = Field({}, description="license of the videos, by source")

    @model_validator(mode="before")
    @classmethod
    def _renamed(cls, data: Any) -> Any:
        # By spelling alone, `license` would be suggested, which is something else.
        if isinstance(data, dict) and "licences" in data:
            raise ValueError("unknown setting 'licences'; did you mean 'source_licenses'?")
        if isinstance(data, dict) and "name" in data and "title" not in data:
            data = {("title" if key == "name" else key): value for key, value in data.items()}
        return data

    @field_validator("question_pattern")
    @classmethod
    def _compiles(cls, pattern: str | None) -> str | None:
        try:
            re.compile(pattern or "")
        except re.error as error:
            raise ValueError(f"not a regular expression: {error}") from error
        return pattern

    @field_validator("formats")
    @classmethod
    def _known(cls, formats: list[str] | None) -> list[str] | None:
        try:
            for name in formats or ():
                FORMATS.get(name)
        except CallError as error:
            raise ValueError(str(error)) from error
        return formats
