"""Files and folders without read or write permission: one-line errors, nothing left behind."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.bare.readme import apt_line
from tests.support.cli_runner import Workshop, refused
from tests.support.invalid_files import without_root_rights
from tests.support.media import Clip

pytestmark = pytest.mark.usefixtures("silent_libraries")


def test_a_file_that_may_not_be_read(shop: Workshop, clip: Path, photo: Path) -> None:
    prefix = without_root_rights()
    for path in (clip, photo):
        path.chmod(0)
    before = shop.files()
    result = shop.process("render", str(clip), str(photo), "--model", "toy.onnx", prefix=prefix)
    assert (result.code, result.out) == (3, "")
    assert result.err.splitlines() == [
        "livebg: video.mp4 cannot be read by this user. Change the permissions of the file.",
        "livebg: photo.png cannot be read (permission denied). Change its permissions.",
    ]
    assert shop.files() == before


def test_a_folder_that_may_not_be_written(shop: Workshop, clip: Path, photo: Path) -> None:
    prefix = without_root_rights()
    folder = shop.folder / "out"
    folder.mkdir()
    folder.chmod(0o555)
    result = shop.process("render", str(clip), str(photo), "-o", "out", "--model", "toy.onnx", prefix=prefix)
    assert (result.code, result.out) == (4, "")
    reason = "permission denied. Choose a folder that you can write to."
    assert result.err.splitlines() == [
        f"livebg: Cannot write out/video.portrait.mp4: {reason}",
        f"livebg: Cannot write out/photo.portrait.png: {reason}",
    ]
    assert list(folder.iterdir()) == []


def test_a_folder_that_may_not_be_read(shop: Workshop) -> None:
    prefix = without_root_rights()
    folder = shop.folder / "in" / "shut"
    folder.mkdir(parents=True)
    Image.new("RGB", (20, 20)).save(shop.folder / "in" / "photo.png")
    folder.chmod(0)
    result = shop.process("render", "in", "--model", "toy.onnx", prefix=prefix)
    assert result.code == 3
    sentence = "livebg: The folder in/shut cannot be read (Permission denied). Change its permissions or leave it out."
    assert result.err.splitlines()[0] == sentence
    assert (shop.folder / "in" / "photo.portrait.png").is_file()


def test_a_subfolder_that_cannot_be_made(shop: Workshop) -> None:
    (shop.folder / "in" / "sub" / "deep").mkdir(parents=True)
    (shop.folder / "out").mkdir()
    (shop.folder / "out" / "sub").write_text("in the way")
    Image.new("RGB", (20, 20)).save(shop.folder / "in" / "sub" / "photo.png")
    message = refused(shop, 4, "in", "-o", "out")
    assert message.startswith("Cannot write out/sub/photo.portrait.png: out/sub is not a folder")
    (shop.folder / "in" / "sub" / "photo.png").rename(shop.folder / "in" / "sub" / "deep" / "photo.png")
    assert refused(shop, 4, "in", "-o", "out").startswith("Cannot write out/sub/deep/photo.portrait.png: ")


@pytest.mark.skipif(shutil.which("prlimit") is None, reason="needs prlimit")
def test_a_full_disk(shop: Workshop) -> None:
    Clip(count=40, width=320, height=240).write(shop.folder / "video.mp4")
    Image.fromarray(np.random.default_rng(1).integers(0, 256, (200, 300, 3), np.uint8)).save(shop.folder / "photo.png")
    before = shop.files()
    for name in ("video.mp4", "photo.png"):
        arguments = ("render", name, "--model", "toy.onnx", "--crf", "0", "--mode", "none")
        result = shop.process(*arguments, prefix=("prlimit", "--fsize=2048"))
        assert result.code == 4
        output = name.replace(".", ".none.")
        assert (
            result.sentence
            == f"Cannot write {output}: file too large. Choose a folder or a file size limit that allows larger files."
        )
        assert shop.files() == before


def test_who_reads_the_output_may_go_away(shop: Workshop, clip: Path) -> None:
    prefix = ("bash", "-o", "pipefail", "-c", '"$@" | true', "bash")
    result = shop.process("render", str(clip), "--model", "toy.onnx", "--json", prefix=prefix)
    assert (result.code, result.out, result.err) == (0, "", "")
    assert shop.files() == {"video.mp4", "video.portrait.mp4"}


def test_a_library_of_the_system_is_missing(shop: Workshop) -> None:
    """OpenCV's import error on a machine without a desktop."""
    place = shop.folder / "without"
    place.mkdir()
    (place / "cv2.py").write_text('raise ImportError("libGL.so.1: cannot open shared object file: No such file or directory")\n')
    result = shop.process("demo", env={"PYTHONPATH": str(place)})
    assert result.code == 1
    assert result.sentence.startswith("The system library libGL.so.1 is missing, and OpenCV needs it. Install it (")
    advised = result.sentence.split("`")[1].split()[3:]
    assert len(advised) == 3
    assert set(advised) < set(apt_line().split()), "as the README has it"
