"""The virtual camera of ``output.backend = "auto"``: what this machine offers."""

import functools
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from livebg.config.choices import Backend


def automatic_backend(system: str, root: Path, environment: Mapping[str, str]) -> Backend:
    """Return OBS's camera on other systems than Linux, PipeWire's if it runs and v4l2loopback is not loaded, else v4l2loopback.

    ``system`` is a value of sys.platform, ``root`` the root of the file system.
    """
    if not system.startswith("linux"):
        return "obs"
    folder = environment.get("PIPEWIRE_RUNTIME_DIR") or environment.get("XDG_RUNTIME_DIR")
    has_pipewire = bool(folder) and Path(folder or "", "pipewire-0").exists()
    has_loopback = (root / "sys" / "module" / "v4l2loopback").is_dir()
    return "pipewire" if has_pipewire and not has_loopback else "v4l2loopback"


def own_automatic_backend() -> Backend:
    """Return that of this machine, the same for the whole run."""
    return _first_automatic_backend(sys.platform)


@functools.cache
def _first_automatic_backend(system: str) -> Backend:
    return automatic_backend(system, Path("/"), os.environ)
