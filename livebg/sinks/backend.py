"""Selects the virtual camera backend for this system."""

import sys
from typing import Literal

BackendSetting = Literal["auto", "v4l2loopback", "pipewire", "obs", "null"]


def resolve_backend(backend: BackendSetting) -> Literal["v4l2loopback", "pipewire", "obs", "null"]:
    """Resolve ``auto`` to v4l2loopback on Linux and to OBS's camera elsewhere."""
    if backend != "auto":
        return backend
    return "v4l2loopback" if sys.platform.startswith("linux") else "obs"
