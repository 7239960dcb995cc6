"""Presets: named sets of settings that are applied together.

A user's preset is the file ``presets/NAME.toml`` in livebg's configuration folder. It has the keys of ``config.toml`` that can
change while livebg runs. A preset leaves the settings that it does not name unchanged.
"""

import re
from collections.abc import Mapping
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from livebg.config.loading import read_toml
from livebg.config.settings import Settings
from livebg.daemon.saved_choices import LOOK_SECTIONS
from livebg.daemon.settings_layers import check_text, validated
from livebg.daemon.status import PresetEntry, PresetList
from livebg.errors import ConfigError
from livebg.platform.atomic_write import write_atomically
from livebg.platform.user_paths import user_folder

BUILTIN_PRESETS: Final[Mapping[str, Mapping[str, Any]]] = MappingProxyType(
    {
        "office": {"blur": 0.025, "framing": 1.0, "light_auto": False, "dim": 0.0, "desaturate": 0.0},
        "dark room": {"blur": 0.05, "framing": 1.0, "light_auto": True, "dim": 0.0, "desaturate": 0.0},
        "presentation": {"blur": 0.1, "framing": 1.3, "light_auto": False, "dim": 0.3, "desaturate": 0.3},
    }
)
_SAME_IN_ALL: Final = MappingProxyType({"mode": "portrait", "lens": "gaussian", "light_wrap": 0.0, "light": 0.0, "edge": 0.0})
"""Values of the section effect in all built-in presets. All set the same keys, so that nothing remains of the one used before."""
_NAME: Final = re.compile(r"(?! )[A-Za-z0-9 _-]{1,40}(?<! )")
_SUFFIX: Final = ".toml"
_LIST: Final = "`livebg preset list` lists the presets."


class Presets:
    """The built-in presets and those in ``folder``, by default the user's. ``folder`` is None without a home directory."""

    def __init__(self, folder: Path | None = None) -> None:
        config = None if folder else user_folder("config")
        self.folder = folder or (config and config / "presets")

    def read(self, name: str) -> Mapping[str, Any]:
        """Return the values of a preset by dotted key. Names of built-in presets match in any case.

        Raises :class:`~livebg.errors.ConfigError` if there is no such preset, or if anything in its file is invalid.
        """
        if _is_builtin(name):
            return {f"effect.{key}": value for key, value in {**_SAME_IN_ALL, **BUILTIN_PRESETS[name.lower()]}.items()}
        return _read(self._path(name))

    def save(self, name: str, settings: Settings) -> None:
        """Save the look of ``settings`` (sections effect and smoothing) as a preset; replaces an earlier one of the user.

        Raises :class:`~livebg.errors.ConfigError` if the name is invalid or the file cannot be written.
        """
        import tomlkit

        path = self._path(name)
        text = tomlkit.dumps(settings.model_dump(include=set(LOOK_SECTIONS), mode="json"))
        try:
            write_atomically(path, text.encode())
        except UnicodeEncodeError:
            raise ConfigError(f"Cannot save the preset {name}: a path in it is not UTF-8.", "Rename that file.") from None
        except OSError as error:
            raise ConfigError(f"Cannot write the preset {path} ({error.strerror}).", "Check its permissions.") from None

    def delete(self, name: str) -> None:
        """Delete a preset of the user, valid or not. Raises :class:`~livebg.errors.ConfigError`."""
        path = self._path(name)
        try:
            path.unlink()
        except FileNotFoundError:
            raise ConfigError(f"The preset {path} does not exist.", _LIST) from None
        except OSError as error:
            raise ConfigError(f"Cannot delete the preset {path} ({error.strerror}).", "Check its permissions.") from None

    def overview(self, settings: Settings | None = None, last: str | None = None) -> PresetList:
        """Return the presets, and which one the current ``settings`` match. If several match, ``last`` is preferred."""
        now = {} if settings is None else _dotted(settings.model_dump())
        entries, matching = [], []
        for name in (*BUILTIN_PRESETS, *self._own_names()):
            try:
                values = self.read(name) if name in BUILTIN_PRESETS else _read_if_changed(self._path(name))
            except ConfigError as error:
                entries.append(PresetEntry(name, builtin=False, error=str(error)))
                continue
            entries.append(PresetEntry(name, name in BUILTIN_PRESETS))
            if now and now.items() >= values.items():
                matching.append(name)
        return PresetList(tuple(entries), last if last in matching else next(iter(matching), None))

    def _own_names(self) -> list[str]:
        found: list[str] = []
        with suppress(OSError):
            found = [path.stem for path in self.folder.iterdir() if path.suffix == _SUFFIX] if self.folder else []
        return sorted(filter(is_own_name, found), key=str.casefold)

    def _path(self, name: str) -> Path:
        """Return the file of a user's preset. Raises ConfigError for an invalid name, or that of a built-in preset."""
        if not _NAME.fullmatch(name):
            raise ConfigError(
                f"Invalid preset name {name[:50]!r}.",
                "Use 1 to 40 of the characters A-Z, a-z, 0-9, space, _ and -, without a space at the start or end.",
            )
        if _is_builtin(name):
            raise ConfigError(f"The preset {name.lower()} is built in and cannot be changed.", "Choose another name.")
        if self.folder is None:
            raise ConfigError("Presets need a home directory, and there is none.", "Set HOME.")
        return self.folder / f"{name}{_SUFFIX}"


def is_own_name(name: str) -> bool:
    """Return whether a user's preset may have this name."""
    return _NAME.fullmatch(name) is not None and not _is_builtin(name)


def _is_builtin(name: str) -> bool:
    """Return whether the name is that of a built-in preset in any case, because ``Office`` would be confusing."""
    return name.lower() in BUILTIN_PRESETS


def _read(path: Path) -> Mapping[str, Any]:
    tree = read_toml(path, "preset", _LIST)
    try:
        values = {key: _checked(key, value) for key, value in _dotted(tree).items()}
    except ConfigError as error:
        raise ConfigError(f"The preset {path} is invalid: {error.message}", error.hint) from None
    if not values:
        raise ConfigError(f"The preset {path} contains no settings.", "Save it again, or delete it.")
    return values


def _read_if_changed(path: Path) -> Mapping[str, Any]:
    """Return the values of a file as they were when it last changed: the tray and the window list the presets every second."""
    try:
        state = path.stat()
    except OSError:
        return _read(path)
    return _read_version(path, (state.st_mtime_ns, state.st_size, state.st_ino))


@lru_cache(maxsize=64)
def _read_version(path: Path, version: tuple[int, ...]) -> Mapping[str, Any]:  # noqa: ARG001
    return _read(path)


def _checked(key: str, value: Any) -> Any:
    check_text(key, value)
    return validated(key, value)


def _dotted(tree: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of all tables by dotted key; a key outside of a table stays as it is, and is no setting."""
    values: dict[str, Any] = {}
    for section, table in tree.items():
        values |= {f"{section}.{key}": value for key, value in table.items()} if isinstance(table, dict) else {section: table}
    return values
