"""Cut long videos into shots, with PySceneDetect."""

import av.error

from stages.ingest.settings import IngestConfig


def shots(uri: str, config: IngestConfig) -> list[tuple[float, float]]:
    """Find the shots of a local video.

    Args:
        uri: Path of the video.
        config: Which detector, and the limits of length.

    Returns:
        Start and end of each shot, seconds; empty for a video that cannot be read. Such a video stays one
        clip, and scoring reports the error.
    """
    from scenedetect import AdaptiveDetector, ContentDetector, SceneManager, open_video
    from scenedetect.video_stream import VideoOpenFailure

    manager = SceneManager()
    manager.add_detector(ContentDetector() if config.shots == "content" else AdaptiveDetector())
    try:
        manager.detect_scenes(open_video(uri, backend="pyav"))
    except (VideoOpenFailure, av.error.FFmpegError, OSError, ValueError):
        return []
    pieces: list[tuple[float, float]] = []
    for first, last in manager.get_scene_list(start_in_scene=True):
        start, end = first.seconds, last.seconds
        parts = max(1, -(-int((end - start) * 1000) // int(config.shot_max_s * 1000)))
        length = (end - start) / parts
        pieces += [(start + k * length, start + (k + 1) * length) for k in range(parts)]
    return [(round(a, 3), round(b, 3)) for a, b in pieces if b - a >= config.shot_min_s]
