"""Applies presets to the running session, and saves its look as one."""

import logging
from typing import Final

from livebg.daemon.controller import SessionController
from livebg.daemon.presets import Presets
from livebg.daemon.status import CommandResult, PresetList
from livebg.errors import ConfigError, LivebgError

_LOG: Final = logging.getLogger(__name__)


class PresetSwitcher:
    """Applies, saves and deletes ``presets``, by default those of the user. Thread-safe. A preset cannot show the room."""

    def __init__(self, controller: SessionController, presets: Presets | None = None) -> None:
        self._controller, self._presets = controller, presets or Presets()
        self._last: str | None = None
        """The preset that was used or saved last: of several with the same values, it is the current one."""

    def overview(self) -> PresetList:
        """Return the presets and which one is current."""
        return self._presets.overview(self._controller.settings, self._last)

    def use(self, name: str) -> CommandResult:
        """Apply a preset, all of it or nothing, and turn the effect on. Raises :class:`~livebg.errors.LivebgError`."""
        result = self._controller.set(self._presets.read(name), effect_on=True)
        self._last = name
        return result

    def use_next(self) -> CommandResult:
        """Apply the preset after the current one, skipping those that cannot be used."""
        for name in self.overview().from_next(self._last):
            try:
                return self.use(name)
            except LivebgError as error:
                _LOG.warning("Skipping the preset %s: %s", name, error)
        raise ConfigError("There is no preset that can be used.", "`livebg preset list` lists the presets.")

    def save(self, name: str) -> CommandResult:
        """Save the current look as a preset. Raises :class:`~livebg.errors.ConfigError`."""
        self._presets.save(name, self._controller.settings)
        self._last = name
        return self._controller.result()

    def delete(self, name: str) -> CommandResult:
        """Delete a preset of the user; the settings stay. Raises :class:`~livebg.errors.ConfigError`."""
        self._presets.delete(name)
        return self._controller.result()
