"""The tables of a workspace: columns and types.

A clip that a stage has processed has exactly one row in its table. If it failed, `error` is a code from
`pipeline.errors.ERRORS`; otherwise `error` is null.
"""

from typing import Any

import pyarrow as pa

CAMERA_LABELS = (
    "static",
    "pan_left",
    "pan_right",
    "tilt_up",
    "tilt_down",
    "roll_clockwise",
    "roll_counterclockwise",
    "zoom_in",
    "zoom_out",
    "truck_left",
    "truck_right",
    "pedestal_up",
    "pedestal_down",
    "dolly_in",
    "dolly_out",
    "arc_clockwise",
    "arc_counterclockwise",
    "shake",
)

CLIPS = pa.schema(
    [
        ("clip_id", pa.string()),
        ("video_id", pa.string()),
        ("uri", pa.string()),
        ("start_s", pa.float64()),
        ("end_s", pa.float64()),
        ("source", pa.string()),
        ("caption", pa.string()),
        ("bytes", pa.int64()),
        ("sha256", pa.string()),
        ("modified", pa.string()),
    ]
)

# What an `ingest` has learnt of the files so far; at its end the table is deleted. shots: start and end of
# each, seconds.
FINGERPRINTS = pa.schema(
    [
        ("clip_id", pa.string()),
        ("bytes", pa.int64()),
        ("sha256", pa.string()),
        ("modified", pa.string()),
        ("shots", pa.list_(pa.list_(pa.float64()))),
        ("error", pa.string()),
        ("error_detail", pa.string()),
    ]
)

# Inputs with the same bytes as a clip in `clips`: recorded, but never processed.
DUPLICATES = pa.schema([("uri", pa.string()), ("clip_id", pa.string())])

# One move of the camera. amount: frame widths (pan, truck), frame heights (tilt, pedestal), e-folds of scale
# (zoom, dolly), degrees (roll).
CAMERA_MOVE = pa.struct(
    [
        ("label", pa.string()),
        ("start_s", pa.float64()),
        ("end_s", pa.float64()),
        ("amount", pa.float64()),
    ]
)
SCORES = pa.schema(
    [
        ("clip_id", pa.string()),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("fps", pa.float64()),
        ("duration_s", pa.float64()),
        ("frames", pa.int32()),
        ("codec", pa.string()),
        ("clock_repair", pa.string()),
        ("quality", pa.float64()),
        ("quality_metric", pa.string()),
        ("flow_mean", pa.float64()),
        ("flow_p95", pa.float64()),
        ("object_motion", pa.float64()),
        ("object_area", pa.float64()),
        ("pan", pa.float64()),
        ("tilt", pa.float64()),
        ("zoom", pa.float64()),
        ("roll", pa.float64()),
        ("shake", pa.float64()),
        ("camera_motion", pa.list_(pa.string())),
        ("camera_moves", pa.list_(CAMERA_MOVE)),
        ("camera_unknown", pa.string()),
        ("camera_fit", pa.float64()),
        ("cuts", pa.list_(pa.float64())),
        ("phash", pa.string()),
        ("error", pa.string()),
        ("error_detail", pa.string()),
        ("seconds", pa.float64()),
    ]
)

QA = pa.struct(
    [
        ("question", pa.string()),
        ("category", pa.string()),
        ("objects", pa.list_(pa.string())),
        ("answer", pa.string()),
        ("baseline", pa.string()),
        ("vqascore", pa.float64()),
        ("motion_check", pa.float64()),
        ("baseline_check", pa.float64()),
        ("unjudged", pa.int64()),
        ("claims", pa.list_(pa.string())),
        ("error", pa.string()),
    ]
)
OBJECT = pa.struct(
    [
        ("label", pa.string()),
        ("boxes", pa.list_(pa.list_(pa.float32()))),
        ("scores", pa.list_(pa.float32())),
        ("velocity", pa.list_(pa.float64())),
    ]
)
ANNOTATIONS = pa.schema(
    [
        ("clip_id", pa.string()),
        ("qa", pa.list_(QA)),
        ("times", pa.list_(pa.float64())),
        ("objects", pa.list_(OBJECT)),
        ("regions", pa.list_(pa.list_(pa.float32()))),
        ("models", pa.map_(pa.string(), pa.string())),
        ("notes", pa.list_(pa.string())),
        ("error", pa.string()),
        ("error_detail", pa.string()),
        ("seconds", pa.float64()),
        ("tokens", pa.int64()),
        ("thought_tokens", pa.int64()),
        ("cost", pa.float64()),
        ("requests", pa.int64()),
    ]
)

PREFERENCES = pa.schema(
    [
        ("clip_id", pa.string()),
        ("question", pa.string()),
        ("left", pa.string()),
        ("right", pa.string()),
        ("choice", pa.string()),
        ("edited", pa.string()),
        ("annotator", pa.string()),
        ("at", pa.timestamp("us", tz="UTC")),
    ]
)

# Answers to the questions of a benchmark. letter: the option that the answer was parsed as, null if none;
# score: the probability of "Yes", where the benchmark asks for it.
PREDICTIONS = pa.schema(
    [
        ("clip_id", pa.string()),
        (
            "answers",
            pa.list_(
                pa.struct(
                    [
                        ("id", pa.string()),
                        ("answer", pa.string()),
                        ("letter", pa.string()),
                        ("score", pa.float64()),
                        ("error", pa.string()),
                    ]
                )
            ),
        ),
        ("error", pa.string()),
        ("error_detail", pa.string()),
        ("seconds", pa.float64()),
        ("tokens", pa.int64()),
    ]
)

TABLES = {
    "fingerprints": FINGERPRINTS,
    "clips": CLIPS,
    "duplicates": DUPLICATES,
    "scores": SCORES,
    "annotations": ANNOTATIONS,
    "preferences": PREFERENCES,
    "predictions": PREDICTIONS,
}


def empty_row(table: str) -> dict[str, Any]:
    """Return a row of the table with every column null."""
    return dict.fromkeys(TABLES[table].names)
