"""Keeps the frame rate on slow machines by reducing quality."""
