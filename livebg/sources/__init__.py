"""Frame sources: video files, cameras and network streams."""
