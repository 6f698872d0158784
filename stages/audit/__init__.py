"""The audit: counts of what became of every clip, as JSON, as text, and as a self-contained HTML page."""
