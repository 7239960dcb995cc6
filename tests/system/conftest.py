"""One boot of the guest for each version of v4l2loopback, and the tests in the order of their files."""

from collections.abc import Iterator

import pytest

from tests.system.call import Call, discard
from tests.system.debian import Unavailable
from tests.system.guest import Guest
from tests.system.kernel import VERSIONS, Version, loopback_version, parts


@pytest.fixture(scope="session", params=VERSIONS)
def call(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Call]:
    """A guest of that version, without any setup."""
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
