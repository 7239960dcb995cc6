"""Frames in I420 and image operations, independent of any network."""
