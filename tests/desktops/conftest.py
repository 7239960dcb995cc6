"""The package of Debian 13, and roots with desktops."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.desktops.camera import Webcam
from tests.desktops.machine import BootedMachine, booted, missing
from tests.desktops.roots import GNOME, KDE, SESSION, WITHOUT_SCREEN, package, prepared_root


@pytest.fixture(scope="session")
def livebg_package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    reason = missing()
    if reason is not None:
        pytest.skip(f"no booted Debian: {reason}")
    return package(tmp_path_factory.mktemp("built"))


@pytest.fixture(scope="session")
def gnome_root(livebg_package: Path) -> Path:
    return prepared_root("gnome", (*SESSION, *GNOME), livebg_package)


@pytest.fixture(scope="session")
def kde_root(livebg_package: Path) -> Path:
    return prepared_root("kde", (*SESSION, *KDE), livebg_package)


@pytest.fixture(scope="module")
def machine(gnome_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[BootedMachine]:
    """A booted Debian with GNOME, without livebg; nobody has logged in."""
    with booted(gnome_root, tmp_path_factory.mktemp("booted"), WITHOUT_SCREEN) as running:
        yield running


@pytest.fixture(scope="module")
def webcam(tmp_path_factory: pytest.TempPathFactory) -> Webcam:
    return Webcam(tmp_path_factory.mktemp("webcam"))
