"""Frames in I420 and operations on images, without a network."""
