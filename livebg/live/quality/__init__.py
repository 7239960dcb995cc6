"""Keeping the frame rate on slow machines: what is reduced, when, and how."""
