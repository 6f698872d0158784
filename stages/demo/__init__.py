"""Rendered clips whose camera and object motion is known exactly."""
