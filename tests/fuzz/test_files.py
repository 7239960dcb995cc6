"""Videos, photos and backgrounds, altered: rendered, or refused in one sentence with a documented exit code, without loss."""

import random
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Final

import numpy as np
import pillow_heif
import pytest
from PIL import Image

from livebg.compositing.backgrounds import read_picture
from livebg.errors import ConfigError, SourceError
from livebg.rendering.photo import Photo
from livebg.sources.file import FileSource
from livebg.sources.looping_file import LoopingFile
from tests.support.cli_runner import LivebgCli
from tests.support.color_profiles import rgb_profile
from tests.support.fuzzing import assert_sentence, is_sentence, mutate, seeds
from tests.support.media import Clip
from tests.support.pipeline_fakes import InstantClock

DOCUMENTED: Final = (0, 2, 3, 4, 5)
"""Exit codes of ``livebg render`` that a bad file may have; 1 would be a defect."""
Rounds = Callable[[int], int]
VIDEOS: Final = {
    "a.mp4": Clip(count=12, audio="aac", options={"g": "6"}),
    "a.mkv": Clip(count=12, codec="mpeg4"),
    "a.avi": Clip(count=12, codec="mjpeg", pix_fmt="yuvj420p"),
    "fragments.mp4": Clip(count=12, container_options={"movflags": "frag_keyframe+empty_moov"}, options={"g": "4"}),
    "a.webm": Clip(count=8, codec="libvpx", rate=Fraction(30)),
    "turned.mov": Clip(count=8, display=(90, False, False)),
    "a.ts": Clip(count=8, codec="mpeg2video"),
}
PHOTOS: Final = ("a.jpg", "a.png", "a.webp", "a.tif", "a.bmp", "a.gif", "a.avif", "a.heic", "a.jp2", "wide.png")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one well-formed file of each kind."""
    folder = tmp_path_factory.mktemp("whole")
    for name, clip in VIDEOS.items():
        clip.write(folder / name)
    ramp = np.linspace(0, 255, 40 * 30 * 3).reshape(30, 40, 3).astype(np.uint8)
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "a picture"
    for name in PHOTOS:
        image = Image.fromarray(ramp)
        if not name.endswith((".bmp", ".gif", ".jp2")):
            image.info["exif"] = exif.tobytes()
        if name.endswith(".heic"):
            pillow_heif.from_pillow(image).save(folder / name)
        else:
            profile = rgb_profile("display-p3") if name.startswith("wide") else None
            image.save(folder / name, exif=image.info.get("exif", b""), icc_profile=profile)
    return folder


@pytest.mark.parametrize("name", VIDEOS)
def test_mutated_video_is_read_or_rejected(name: str, whole: Path, tmp_path: Path, rounds: Rounds) -> None:
    path = tmp_path / name
    read = refused = 0
    for chance in seeds(rounds(12), name):
        path.write_bytes(mutate((whole / name).read_bytes(), chance))
        try:
            with FileSource(path, threads=1) as source:
                times = [frame.time for frame in source]
                assert times == sorted(set(times))
            read += 1
        except SourceError as error:
            assert_sentence(error)
            refused += 1
    assert read + refused == rounds(12)
    assert read


@pytest.mark.parametrize("name", PHOTOS)
def test_mutated_picture_is_read_or_rejected(name: str, whole: Path, tmp_path: Path, rounds: Rounds) -> None:
    path = tmp_path / name
    read = refused = 0
    for chance in seeds(rounds(30), name):
        path.write_bytes(mutate((whole / name).read_bytes(), chance))
        for reading in (Photo, read_picture):
            try:
                reading(path)
                read += 1
            except (SourceError, ConfigError) as error:
                assert_sentence(error)
                refused += 1
    assert read
    assert refused


def test_mutated_camera_file_is_played_or_rejected(whole: Path, tmp_path: Path, rounds: Rounds) -> None:
    path = tmp_path / "a.mp4"
    for chance in seeds(rounds(10), "stand-in"):
        path.write_bytes(mutate((whole / "a.mp4").read_bytes(), chance))
        try:
            with LoopingFile(path, InstantClock()) as source:
                for number, frame in enumerate(source):
                    assert (frame.width, frame.height) == (source.format.width, source.format.height)
                    if number > 30:
                        break
        except SourceError as error:
            assert_sentence(error)


def test_mutated_files_have_documented_exit_codes(whole: Path, cli: LivebgCli, rounds: Rounds) -> None:
    names = (*VIDEOS, *PHOTOS)
    ends = set[int]()
    for number, chance in enumerate(seeds(rounds(14), "render")):
        name = names[number % len(names)]
        ends.add(render_mutated(cli, name, mutate((whole / name).read_bytes(), chance), chance))
    assert {0, 3} <= ends


def render_mutated(cli: LivebgCli, name: str, content: bytes, chance: random.Random) -> int:
    """Render it twice, the second time onto an existing output; return the first exit code."""
    path = cli.folder / name
    path.write_bytes(content)
    mode = chance.choice(("portrait", "greenscreen", "matte", "cutout"))
    first = cli.render(name, "--mode", mode, "--preset", "ultrafast", "--quiet")
    made = cli.files() - {name}
    case = f"{name} {mode} {first}"
    assert first.code in DOCUMENTED, case
    assert all(is_sentence(line) for line in first.err.splitlines()), case
    assert (first.code == 0) == (len(made) == 1), f"{case} left {made}"
    output = cli.folder / (made.pop() if made else f"{path.stem}.{mode}.mp4")
    output.write_bytes(b"the user's own")
    again = cli.render(name, "-o", output.name, "--mode", mode, "--preset", "ultrafast", "--quiet")
    assert again.code in DOCUMENTED[1:], f"{case}, then {again}"
    assert output.read_bytes() == b"the user's own"
    assert cli.files() == {name, output.name}
    output.unlink()
    path.unlink()
    return first.code


def test_mutated_files_do_not_crash_process(whole: Path, cli: LivebgCli, rounds: Rounds) -> None:
    """In a separate process, as for users, whose crash would show as a signal's number."""
    folder, made = cli.folder / "in", cli.folder / "out"
    folder.mkdir()
    made.mkdir()
    for number, chance in enumerate(seeds(rounds(20), "process")):
        name = tuple(VIDEOS)[number % len(VIDEOS)] if number % 2 else PHOTOS[number % len(PHOTOS)]
        (folder / f"{number} {name}").write_bytes(mutate((whole / name).read_bytes(), chance))
    result = cli.process("render", "in", "-o", "out", "--model", "toy.onnx", "--preset", "ultrafast", "--quiet")
    assert result.code in DOCUMENTED[1:], (result.code, result.err[-2000:])  # the code of the worst one
    assert result.err.splitlines()
    assert all(line.startswith(("livebg: ", "in/")) and is_sentence(line) for line in result.err.splitlines()), result.err
    assert [path for path in made.iterdir() if not path.name.startswith(".") and path.suffix != ".part"] == list(made.iterdir())
    assert list(made.iterdir()), "none of them could be read"
