"""Which virtual camera livebg selects by itself."""

from pathlib import Path

import pytest

from livebg.config.automatic_backend import automatic_backend


@pytest.mark.parametrize(
    ("loopback", "pipewire", "backend"),
    [
        (False, False, "v4l2loopback"),  # whose error names the package to install
        (True, False, "v4l2loopback"),
        (True, True, "v4l2loopback"),
        (False, True, "pipewire"),
    ],
)
def test_pipewire_is_used_only_without_loopback_module(loopback: bool, pipewire: bool, backend: str, tmp_path: Path) -> None:
    if loopback:
        (tmp_path / "sys/module/v4l2loopback").mkdir(parents=True)
    if pipewire:
        (tmp_path / "pipewire-0").touch()
    assert automatic_backend("linux", tmp_path, {"XDG_RUNTIME_DIR": str(tmp_path)}) == backend
    assert automatic_backend("linux", tmp_path, {"PIPEWIRE_RUNTIME_DIR": str(tmp_path), "XDG_RUNTIME_DIR": "/no"}) == backend
    assert automatic_backend("linux", tmp_path, {}) == "v4l2loopback"


@pytest.mark.parametrize("system", ["darwin", "win32"])
def test_other_systems_use_camera_of_obs(system: str, tmp_path: Path) -> None:
    assert automatic_backend(system, tmp_path, {}) == "obs"
