"""Fixtures that several modules share."""

import gc
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from livebg.errors import ModelError
from livebg.models import find
from livebg.models.registry import unknown_card
from livebg.segmentation.u2net import U2NetSegmenter
from tests.support.cli_runner import LivebgCli
from tests.support.fake_daemon import temporary_runtime_dir
from tests.support.media import Clip
from tests.support.photos import save_photo
from tests.support.toy_network import ToyNetwork, WriteToy

settings.register_profile("livebg", deadline=None)  # how long an example takes is the machine's affair
settings.load_profile("livebg")


@pytest.fixture(scope="session", autouse=True)
def _default_signal_handlers() -> None:
    """Reset ignored signals, which tests under ``nohup`` or in the background would pass on to their child processes."""
    for name, usual in (("SIGINT", signal.default_int_handler), ("SIGHUP", signal.SIG_DFL)):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, usual)


@pytest.fixture(scope="session", autouse=True)
def _isolated_choices(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Tests neither read nor change the user's saved choices."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        yield


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LivebgCli:
    return LivebgCli(tmp_path, monkeypatch)


@pytest.fixture
def runtime(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The user's runtime folder, in which no livebg runs."""
    with temporary_runtime_dir(monkeypatch) as folder:
        yield folder


@pytest.fixture
def clip(cli: LivebgCli) -> Path:
    """``video.mp4``: 15 frames, 25 a second, with sound."""
    Clip(count=15, audio="aac").write(cli.folder / "video.mp4")
    return Path("video.mp4")


@pytest.fixture
def photo(cli: LivebgCli) -> Path:
    """``photo.png``: dark on the left, bright on the right."""
    save_photo(cli.folder / "photo.png")
    return Path("photo.png")


@pytest.fixture
def silent_libraries(capfd: pytest.CaptureFixture[str]) -> Iterator[None]:
    """Libraries print nothing of their own."""
    yield
    assert capfd.readouterr() == ("", "")


@pytest.fixture
def write_toy(tmp_path: Path) -> WriteToy:
    return lambda network: network.write(tmp_path / "toy.onnx")


@pytest.fixture(scope="module")
def segmenter(tmp_path_factory: pytest.TempPathFactory) -> U2NetSegmenter:
    """The toy network, for which bright areas are a person."""
    network = ToyNetwork().write(tmp_path_factory.mktemp("network") / "toy.onnx")
    return U2NetSegmenter(network, unknown_card("toy.onnx"), provider="cpu")


@pytest.fixture(scope="module")
def u2netp() -> Path:
    """The published network, beside the checkout or in the user's cache."""
    beside = Path(__file__).parents[2] / "shared" / "data" / "models"
    try:
        return find("u2netp", [beside]).path
    except ModelError as error:
        pytest.skip(f"no u2netp.onnx: {error}")


LONGER = {
    "bare": "a minimal Debian takes a quarter of an hour: `python -m pytest -m bare`",
    "desktops": "preparing a desktop takes half an hour, using it minutes: `python -m pytest -m desktops`",
    "obs": "a Debian with OBS takes a quarter of an hour: `python -m pytest -m obs`",
    "packages": "building and installing packages takes half an hour: `python -m pytest -m packages`",
    "peers": "measuring beside peers takes minutes of a core: `python -m pytest -m peers`",
    "soak": "a soak takes two minutes of a core: `python -m pytest -m soak`",
    "system": "booting a kernel takes minutes: `python -m pytest -m system`",
}
"""Folders whose tests are marked with their name and run only if the command line names it, with the reason."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        kind = item.path.relative_to(Path(__file__).parent).parts[0]
        if kind in LONGER:
            item.add_marker(kind)
            if kind not in config.getoption("markexpr"):
                item.add_marker(pytest.mark.skip(reason=LONGER[kind]))
        if item.get_closest_marker("kill") and "kill" not in config.getoption("markexpr"):
            item.add_marker(pytest.mark.skip(reason="fifty killed renders take minutes: `python -m pytest -m kill`"))


def pytest_collection_finish() -> None:
    """Exclude all modules and tests from garbage collection: with them, each ``gc.collect()`` in a test takes half a second."""
    gc.collect()
    gc.freeze()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--fuzz-times", type=int, default=1, help="so many times as many altered inputs as usual")


@pytest.fixture
def rounds(request: pytest.FixtureRequest) -> Callable[[int], int]:
    """The number of altered inputs to try, in proportion to the usual number."""
    times: int = request.config.getoption("--fuzz-times")
    return lambda usual: usual * times
