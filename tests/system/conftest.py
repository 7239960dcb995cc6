"""One boot of the guest for each version of v4l2loopback, and the tests in the order of their files."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.call import Call, discard
from tests.system.debian import Unavailable
from tests.system.guest import Guest
from tests.system.kernel import VERSIONS, Version, loopback_version, parts

_HERE = Path(__file__).parent


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """They take a quarter of an hour, so they run only where they are asked for."""
    asked = "system" in config.getoption("markexpr")
    for item in items:
        if item.path.is_relative_to(_HERE):
            item.add_marker(pytest.mark.system)
            if not asked:
                item.add_marker(pytest.mark.skip(reason="a kernel of its own takes minutes: `python -m pytest -m system`"))


@pytest.fixture(scope="session", params=VERSIONS)
def call(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Call]:
    """A guest of that version, where nothing has been set up yet."""
    version: Version = request.param
    try:
        made = parts(version)
        if version == "newer" and loopback_version(made) == loopback_version(parts("release")):
            raise Unavailable("this release's v4l2loopback is the newest")
    except Unavailable as missing:
        pytest.skip(f"no guest: {missing}")
    share = tmp_path_factory.mktemp(f"share-{version}")
    guest = Guest(made, share)
    try:
        yield Call(guest)
    finally:
        guest.close()
        discard(share)
