"""The files that a distribution's package installs for all users, and which of them a machine has.

They are what `livebg setup` would write for one user, so that setup has nothing to write where a package did. The recipes in
``.github/packaging`` install them with ``python -m livebg.setup.package FOLDER``.
"""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from livebg.setup.loopback import MODULE, add_livebg, options_line
from livebg.setup.resources import APP_ID, APPLICATION, AUTOSTART, UNIT, desktop_entry, packaged_text, service_unit
from livebg.setup.target import COMMAND, Machine
from livebg.system import files
from livebg.system.host import Host

LABEL: Final = "livebg"
"""Label of the loopback device of a package: the default of output.label."""
OPTIONS_FILE: Final = "/usr/lib/modprobe.d/00-livebg.conf"
"""It sorts first, so that the devices of all other files win. `livebg setup` writes a file that sorts last and has them all."""
LOAD_FILE: Final = "/usr/lib/modules-load.d/livebg.conf"
_UNITS: Final = Path("/usr/lib/systemd/user")
_DROP_IN: Final = "10-no-system-users.conf"
_CONDITION: Final = """\
# The service is enabled for all users. That of a login screen must not occupy the virtual camera.
[Unit]
ConditionUser=!@system
"""
_METAINFO: Final = f"{APP_ID}.metainfo.xml"
_HEADER: Final = "# Installed by the package livebg. A file of the same name in /etc replaces it.\n"


def package_files() -> dict[Path, str]:
    """Return the content of each file by its absolute path, except livebg itself, manual pages and completions."""
    icons = Path("/usr/share/icons/hicolor")
    return {
        _UNITS / UNIT: service_unit((COMMAND,)),
        _UNITS / f"{UNIT}.d" / _DROP_IN: _CONDITION,
        Path("/usr/share/applications", APPLICATION): desktop_entry((COMMAND,)),
        Path("/etc/xdg", AUTOSTART): desktop_entry((COMMAND,), AUTOSTART),
        icons / "scalable" / "apps" / f"{APP_ID}.svg": packaged_text(f"{APP_ID}.svg"),
        icons / "symbolic" / "apps" / f"{APP_ID}-symbolic.svg": packaged_text(f"{APP_ID}-symbolic.svg"),
        Path("/usr/share/metainfo", _METAINFO): packaged_text(_METAINFO),
        Path(OPTIONS_FILE): f"{_HEADER}{options_line(add_livebg((), LABEL, ()))}\n",
        Path(LOAD_FILE): f"{_HEADER}{MODULE}\n",
    }


def is_packaged(host: Host) -> bool:
    """Return whether a package installed livebg for all users of the machine."""
    return host.path(_UNITS / UNIT).is_file()


def provides_module(machine: Machine) -> bool:
    """Return whether the package's file loads the kernel module at boot, because none of the same name in /etc replaces it."""
    return machine.path(LOAD_FILE).is_file() and not machine.path(f"/etc/modules-load.d/{Path(LOAD_FILE).name}").exists()


def without_provided(machine: Machine, wanted: Mapping[Path, str]) -> dict[Path, str]:
    """Return those of the user's files in ``wanted`` that no package provides with the same content.

    An administrator's own service in /etc also counts.
    """
    return {path: text for path, text in wanted.items() if not _is_provided(machine, path, text)}


def is_enabled_for_all(machine: Machine) -> bool:
    """Return whether the package or an administrator enabled the service for all users."""
    folders = (Path("/etc/systemd/user"), _UNITS)
    return any(machine.path(folder / "default.target.wants" / UNIT).is_symlink() for folder in folders)


def _is_provided(machine: Machine, path: Path, text: str) -> bool:
    parents = {machine.units: _UNITS, machine.data: Path("/usr/share"), machine.config: Path("/etc/xdg")}
    parent = next(folder for folder in parents if folder in path.parents)
    if path.name == UNIT and is_packaged(machine) and machine.path(f"/etc/systemd/user/{UNIT}").exists():
        return True
    return files.read(machine.path(parents[parent] / path.relative_to(parent))) == text.encode("utf-8", "surrogateescape")


def main(folder: Path) -> None:
    """Write the files of a package below ``folder``."""
    for path, text in package_files().items():
        target = folder / path.relative_to("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
