from collections.abc import Iterator

import pytest

from tests.support.pipewire_desktop import Desktop, private_desktop


@pytest.fixture(scope="module")
def desktop() -> Iterator[Desktop]:
    with pytest.MonkeyPatch.context() as patch, private_desktop(patch) as desktop:
        yield desktop
