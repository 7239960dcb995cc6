"""Detects whether an app is using the virtual camera."""
