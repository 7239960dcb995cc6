"""Whether an app is using the virtual camera."""
