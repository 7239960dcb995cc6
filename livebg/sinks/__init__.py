"""Sinks for composites: virtual cameras and video files."""
