"""Questions about a clip, MotionSight's answers, and how far the measurements support them."""
