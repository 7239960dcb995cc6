"""The command ``settings``."""

import json
from pathlib import Path

import pytest

from livebg.config.settings import setting_keys
from livebg.daemon.commands import commands
from livebg.daemon.settings_layers import settable_keys
from livebg.errors import ConfigError
from tests.support.controller_harness import ControllerHarness


def test_settings_lists_every_value_and_the_settable_keys(tmp_path: Path) -> None:
    controller = ControllerHarness(tmp_path).controller
    controller.set({"effect.blur": 0.07})
    result = commands(controller)["settings"]({})
    assert tuple(result["values"]) == setting_keys()
    assert result["values"]["effect.blur"] == 0.07
    assert result["values"]["model.folders"] == []
    assert tuple(result["settable"]) == settable_keys()
    assert json.loads(json.dumps(result)) == result


def test_settings_takes_no_arguments(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="takes no arguments"):
        commands(ControllerHarness(tmp_path).controller)["settings"]({"key": "effect.blur"})
