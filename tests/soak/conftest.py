"""A soak takes minutes: it runs only where it is asked for."""

from pathlib import Path

import pytest

_HERE = Path(__file__).parent


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """All that lies here is marked, and skipped unless the command line names the mark."""
    asked = "soak" in config.getoption("markexpr")
    for item in items:
        if item.path.is_relative_to(_HERE):
            item.add_marker(pytest.mark.soak)
            if not asked:
                item.add_marker(pytest.mark.skip(reason="a soak takes two minutes of a core: `python -m pytest -m soak`"))
