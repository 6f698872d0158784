"""An OpenAI-compatible endpoint that puts MotionSight in front of a multimodal model."""
