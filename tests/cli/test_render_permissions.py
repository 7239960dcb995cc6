"""Files and folders without read or write permission: one-line errors, nothing left behind."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.bare.readme import apt_line
from tests.support.cli_runner import LivebgCli, render_error
from tests.support.invalid_files import without_root_rights
from tests.support.media import Clip

pytestmark = pytest.mark.usefixtures("silent_libraries")


def test_unreadable_file_fails(cli: LivebgCli, clip: Path, photo: Path) -> None:
    prefix = without_root_rights()
    for path in (clip, photo):
        path.chmod(0)
    before = cli.files()
    result = cli.process("render", str(clip), str(photo), "--model", "toy.onnx", prefix=prefix)
    assert (result.code, result.out) == (3, "")
    assert result.err.splitlines() == [
        "livebg: video.mp4 cannot be read by this user. Change the permissions of the file.",
        "livebg: photo.png cannot be read (permission denied). Change its permissions.",
    ]
    assert cli.files() == before


def test_unwritable_output_folder_fails(cli: LivebgCli, clip: Path, photo: Path) -> None:
    prefix = without_root_rights()
    folder = cli.folder / "out"
    folder.mkdir()
    folder.chmod(0o555)
    result = cli.process("render", str(clip), str(photo), "-o", "out", "--model", "toy.onnx", prefix=prefix)
    assert (result.code, result.out) == (4, "")
    reason = "permission denied. Choose a folder that you can write to."
    assert result.err.splitlines() == [
        f"livebg: Cannot write out/video.portrait.mp4: {reason}",
        f"livebg: Cannot write out/photo.portrait.png: {reason}",
    ]
    assert list(folder.iterdir()) == []


def test_unreadable_input_folder_fails(cli: LivebgCli) -> None:
    prefix = without_root_rights()
    folder = cli.folder / "in" / "shut"
    folder.mkdir(parents=True)
    Image.new("RGB", (20, 20)).save(cli.folder / "in" / "photo.png")
    folder.chmod(0)
    result = cli.process("render", "in", "--model", "toy.onnx", prefix=prefix)
    assert result.code == 3
    sentence = "livebg: The folder in/shut cannot be read (Permission denied). Change its permissions or leave it out."
    assert result.err.splitlines()[0] == sentence
    assert (cli.folder / "in" / "photo.portrait.png").is_file()


def test_subfolder_that_cannot_be_created_fails(cli: LivebgCli) -> None:
    (cli.folder / "in" / "sub" / "deep").mkdir(parents=True)
    (cli.folder / "out").mkdir()
    (cli.folder / "out" / "sub").write_text("in the way")
    Image.new("RGB", (20, 20)).save(cli.folder / "in" / "sub" / "photo.png")
    message = render_error(cli, 4, "in", "-o", "out")
    assert message.startswith("Cannot write out/sub/photo.portrait.png: out/sub is not a folder")
    (cli.folder / "in" / "sub" / "photo.png").rename(cli.folder / "in" / "sub" / "deep" / "photo.png")
    assert render_error(cli, 4, "in", "-o", "out").startswith("Cannot write out/sub/deep/photo.portrait.png: ")


@pytest.mark.skipif(shutil.which("prlimit") is None, reason="needs prlimit")
def test_full_disk_fails_and_leaves_nothing(cli: LivebgCli) -> None:
    Clip(count=40, width=320, height=240).write(cli.folder / "video.mp4")
    Image.fromarray(np.random.default_rng(1).integers(0, 256, (200, 300, 3), np.uint8)).save(cli.folder / "photo.png")
    before = cli.files()
    for name in ("video.mp4", "photo.png"):
        arguments = ("render", name, "--model", "toy.onnx", "--crf", "0", "--mode", "none")
        result = cli.process(*arguments, prefix=("prlimit", "--fsize=2048"))
        assert result.code == 4
        output = name.replace(".", ".none.")
        assert (
            result.error_line
            == f"Cannot write {output}: file too large. Choose a folder or a file size limit that allows larger files."
        )
        assert cli.files() == before


def test_closed_output_pipe_is_not_an_error(cli: LivebgCli, clip: Path) -> None:
    prefix = ("bash", "-o", "pipefail", "-c", '"$@" | true', "bash")
    result = cli.process("render", str(clip), "--model", "toy.onnx", "--json", prefix=prefix)
    assert (result.code, result.out, result.err) == (0, "", "")
    assert cli.files() == {"video.mp4", "video.portrait.mp4"}


def test_missing_system_library_names_packages_to_install(cli: LivebgCli) -> None:
    """OpenCV's import error on a machine without a desktop."""
    place = cli.folder / "without"
    place.mkdir()
    (place / "cv2.py").write_text('raise ImportError("libGL.so.1: cannot open shared object file: No such file or directory")\n')
    result = cli.process("demo", env={"PYTHONPATH": str(place)})
    assert result.code == 1
    assert result.error_line.startswith("The system library libGL.so.1 is missing, and OpenCV needs it. Install it (")
    advised = result.error_line.split("`")[1].split()[3:]
    assert len(advised) == 3
    assert set(advised) < set(apt_line().split()), "as the README has it"
