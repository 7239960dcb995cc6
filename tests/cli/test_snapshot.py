"""``livebg snapshot``, and ``livebg preview`` without a display, against a session in the test process."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from livebg.compositing.composite import Consent
from livebg.daemon.runtime_dir import PREVIEW_NAME, hold_lock
from livebg.errors import ModelError
from livebg.pipeline import Passthrough, Processor
from livebg.preview import snapshot
from livebg.preview.client import PreviewClient
from tests.support.cli_runner import Workshop
from tests.support.fake_daemon import LIVE, runtime_folder_of_ones_own
from tests.support.live_session import PersonSegmenter, green, person_mask, wait_for
from tests.support.preview_session import Stage, look_with_matte

NOT_RUNNING = "livebg is not running. Start it with `livebg run`."


@pytest.fixture(autouse=True)
def runtime(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    with runtime_folder_of_ones_own(monkeypatch) as folder:
        yield folder


@contextmanager
def running(build: Callable[[], Processor] = look_with_matte) -> Iterator[Stage]:
    """A session in the runtime folder of the command line."""
    with hold_lock() as folder, Stage(folder, build=build, name=PREVIEW_NAME).on() as stage:
        yield stage


def test_a_sleeping_livebg_is_woken_for_a_picture(shop: Workshop) -> None:
    with running() as stage:
        said = shop.livebg("snapshot", "me.png")
        assert (said.code, said.out, said.err) == (0, "me.png: 64x48, mode portrait\n", "")
        wait_for(lambda: not stage.camera_open, "the camera's end")
    with Image.open(shop.folder / "me.png") as image:
        assert (image.mode, image.size) == ("RGB", (64, 48))
        pixels = np.asarray(image)
    assert pixels[40, 32].min() > 240  # the person
    assert pixels[5, 5][1] > 240  # in front of green
    assert pixels[5, 5][[0, 2]].max() < 15
    assert shop.files() == {"me.png"}


def test_the_matte_is_grey_and_white_is_the_person(shop: Workshop) -> None:
    with running():
        assert shop.livebg("snapshot", "--alpha", "alpha.png").code == 0
    with Image.open(shop.folder / "alpha.png") as image:
        assert (image.mode, image.size) == ("L", (64, 48))
        assert np.abs(np.asarray(image) / 255 - person_mask(64, 48)).mean() < 0.02


@pytest.mark.parametrize("name", ["me.jpg", "me.JPEG", "me.webp"])
def test_other_kinds_of_picture(shop: Workshop, name: str) -> None:
    with running():
        assert shop.livebg("snapshot", name).code == 0
    with Image.open(shop.folder / name) as image:
        assert image.format == ("WEBP" if name.endswith("webp") else "JPEG")
        assert np.asarray(image)[5, 5][1] > 200


def test_a_paused_livebg_gives_the_placeholder_and_says_so(shop: Workshop) -> None:
    with running() as stage:
        stage.live.pause()
        stage.status = replace(LIVE, state="paused", reason="Paused. Run `livebg resume` to continue.")
        said = shop.livebg("snapshot", "me.png")
    assert said.code == 0
    assert said.out == "me.png: 64x48, placeholder because livebg is paused (Paused. Run `livebg resume` to continue.)\n"
    with Image.open(shop.folder / "me.png") as image:
        assert np.asarray(image).max() < 160


def test_a_paused_livebg_has_no_matte(shop: Workshop) -> None:
    with running() as stage:
        stage.live.pause()
        stage.status = replace(LIVE, state="paused", reason="Paused. Run `livebg resume` to continue.")
        said = shop.livebg("snapshot", "--alpha", "me.png")
    assert said.code == 3
    assert said.sentence.startswith("No matte available: livebg is paused")
    assert shop.files() == set()


def test_while_the_effect_is_off_there_is_no_matte(shop: Workshop) -> None:
    with running(lambda: Passthrough(Consent("a test"))) as stage:
        stage.status = replace(LIVE, mode="none")
        said = shop.livebg("snapshot", "--alpha", "me.png")
    assert (said.code, said.sentence) == (3, "There is no matte while the effect is off. Run `livebg on` first.")
    assert shop.files() == set()


def test_one_that_does_not_become_live_is_not_waited_for_for_ever(shop: Workshop) -> None:
    def fail(_: int) -> None:
        raise ModelError("no network today")

    with running(lambda: green(PersonSegmenter(fail))) as stage:
        seen = snapshot.snapshot(shop.folder / "me.png", stage.channel, timeout=0.3)
    assert seen.placeholder
    assert shop.files() == {"me.png"}


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["me.gif"], 2, "me.gif has the suffix .gif. Use .png, .jpg or .webp."),
        (["me"], 2, "me has no suffix. Use .png, .jpg or .webp."),
        (["toy.png"], 4, "The output toy.png already exists. Choose another output, or use --overwrite."),
        (["no/me.png"], 4, "Cannot write no/me.png: no does not exist. Create the folder first, or choose another output."),
    ],
)
def test_a_path_that_cannot_be_is_refused_before_the_camera_wakes(
    shop: Workshop, arguments: list[str], code: int, sentence: str
) -> None:
    (shop.folder / "toy.png").write_bytes(b"mine")
    with running() as stage:
        said = shop.livebg("snapshot", *arguments)
        assert (said.code, said.sentence) == (code, sentence)
        assert not stage.cameras
    assert (shop.folder / "toy.png").read_bytes() == b"mine"


def test_overwriting_on_demand(shop: Workshop) -> None:
    (shop.folder / "me.png").write_bytes(b"mine")
    with running():
        assert shop.livebg("snapshot", "me.png", "--overwrite").code == 0
    with Image.open(shop.folder / "me.png") as image:
        assert image.size == (64, 48)


def test_none_runs(shop: Workshop) -> None:
    said = shop.livebg("snapshot", "me.png")
    assert (said.code, said.sentence) == (6, NOT_RUNNING)
    assert shop.files() == set()


def test_a_preview_without_a_display_is_a_sentence(shop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("sys.platform", "linux")
    said = shop.livebg("preview")
    assert said.code == 8
    assert "DISPLAY is not set" in said.sentence


def test_a_channel_of_the_users_own_is_found_without_a_path() -> None:
    with running(), PreviewClient() as channel:
        assert channel.next_frame(["composite"]).pictures
