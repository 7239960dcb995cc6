"""Which kind of virtual camera a setting means on this system."""

import sys
from typing import Literal

BackendSetting = Literal["auto", "v4l2loopback", "pipewire", "obs", "null"]


def resolved(backend: BackendSetting) -> Literal["v4l2loopback", "pipewire", "obs", "null"]:
    """``auto`` is v4l2loopback on Linux and OBS's camera elsewhere."""
    if backend != "auto":
        return backend
    return "v4l2loopback" if sys.platform.startswith("linux") else "obs"
