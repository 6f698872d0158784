"""What happens to a clip, from file to dataset row."""
