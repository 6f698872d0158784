"""Trackers: detections carried through the frames of a clip."""
