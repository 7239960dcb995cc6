"""Where this machine gets its packages; the bare machine gets its own from the same sources."""

import ast
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

DEBIAN = os.environ.get("LIVEBG_BARE_DEBIAN", "bookworm")
"""The release: Debian 12, or another one, of Ubuntu too, by its name."""
MIRROR = os.environ.get("LIVEBG_BARE_MIRROR")
"""The archive of that release, if it is not the one that apt uses here."""
_CARRIED = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "SSL_CERT_FILE")
_START = r"(?:(?<=file://)|(?<!\S))"
"""Where a path begins in a list of paths and addresses."""
_UV_NAMES = {
    "PIP_INDEX_URL": "UV_DEFAULT_INDEX",
    "PIP_EXTRA_INDEX_URL": "UV_INDEX",
    "PIP_FIND_LINKS": "UV_FIND_LINKS",
    "PIP_CERT": "SSL_CERT_FILE",
}


@dataclass(frozen=True)
class Sources:
    """``mirror`` is the archive of Debian or Ubuntu, ``apt`` lines of apt.conf, ``variables`` the environment of pip."""

    mirror: str
    apt: tuple[str, ...]
    variables: Mapping[str, str]

    @property
    def folders(self) -> tuple[Path, ...]:
        """The files and folders of this machine that the variables name; of an index on disk everything beside it too."""
        found = set[Path]()
        for name, value in self.variables.items():
            there = [path for path in map(Path, re.findall(rf"{_START}/\S+", value)) if path.exists()]
            found |= {path.parent if "INDEX" in name else path for path in there}
        return tuple(sorted(path for path in found if not found & set(path.parents)))

    def seen_from(self, place: str) -> dict[str, str]:
        """The variables with this machine's files and folders under ``place``."""
        seen = {}
        for name, value in self.variables.items():
            for folder in self.folders:
                value = re.sub(rf"{_START}{re.escape(str(folder))}(?=[/\s]|$)", f"{place}{folder}", value)
            seen[name] = value
        return seen


def sources_of_this_machine() -> Sources | None:
    """The settings of apt, pip and the environment; None if apt has no archive of them and :data:`MIRROR` names none."""
    mirror = MIRROR or _archive()
    return Sources(mirror, _apt_settings(), pip_variables() | _carried()) if mirror else None


def _said(*command: str) -> list[str]:
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout.splitlines()


def _archive() -> str | None:
    targets = _said("apt-get", "indextargets", "--format", "$(ORIGIN) $(CODENAME) $(COMPONENT) $(SITE)")
    rows = map(str.split, targets)
    archives = [site for origin, _, component, site in rows if origin in ("Debian", "Ubuntu") and component == "main"]
    return archives[0] if archives else None


def _apt_settings() -> tuple[str, ...]:
    """How apt gets through: proxies, certificates, patience, and whether it accepts old archives."""
    setting = re.compile(r"Acquire::(https?|Retries|Check-Valid-Until)\b.*\S")
    return tuple(line for line in _said("apt-config", "dump") if setting.match(line))


def pip_variables() -> dict[str, str]:
    """pip's settings from files and variables, as variables."""
    found: dict[str, dict[str, str]] = {"global": {}, ":env:": {}}
    for line in _said(sys.executable, "-m", "pip", "config", "list"):
        key, _, value = line.partition("=")
        section, _, name = key.rpartition(".")
        if section in found:
            found[section][f"PIP_{name.upper().replace('-', '_')}"] = str(ast.literal_eval(value))
    return found["global"] | found[":env:"]


def uv_variables(pip: Mapping[str, str]) -> dict[str, str]:
    """The same for uv, which does not read pip's settings, and by itself takes the first index that has a package at all."""
    return {uv: pip[name] for name, uv in _UV_NAMES.items() if name in pip} | {"UV_INDEX_STRATEGY": "unsafe-best-match"}


def _carried() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name.upper() in _CARRIED}
