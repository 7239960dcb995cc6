"""What fetches Debian, Python packages or both is run only where it is asked for."""

from pathlib import Path

import pytest

_HERE = Path(__file__).parent
_SKIP = pytest.mark.skip(reason="a bare machine takes minutes and a network: `python -m pytest -m bare`")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """All that lies here is marked, and skipped unless the command line names the mark."""
    asked = "bare" in config.getoption("markexpr")
    for item in items:
        if item.path.is_relative_to(_HERE):
            item.add_marker(pytest.mark.bare)
            if not asked:
                item.add_marker(pytest.mark.skip(reason="a bare machine takes minutes and a network: `python -m pytest -m bare`"))
