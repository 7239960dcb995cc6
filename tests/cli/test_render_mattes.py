"""``livebg render --keep-matte``, ``--matte`` and ``--also``: stored mattes, and several outputs of one run."""

import hashlib
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from livebg.sources.file import FileSource
from tests.support.cli_runner import LivebgCli, render_error
from tests.support.decoding import luma_of, pictures_of, stamps_of
from tests.support.media import Clip, yuv_picture
from tests.support.photos import save_photo
from tests.support.recordings import frame_times, packets_of

LONG = Clip(count=48, rate=Fraction(2), audio="aac", options={"g": "17"})
"""24 s: two segments."""
OTHER_DISK = Path("/dev/shm")
VARIABLE = Clip(count=20, time_base=Fraction(1, 90_000), pts=[number * number * 1500 for number in range(20)])


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def rendered(cli: LivebgCli, name: str, *arguments: str, settings: Mapping[str, object] | None = None) -> str:
    """Render ``video.mp4`` (or the input that the arguments name) and return the digest of the output."""
    config = cli.folder.parent / "settings.toml"
    config.write_text("[effect]\n" + "".join(f"{key} = {value}\n" for key, value in (settings or {}).items()))
    given = arguments if arguments and not arguments[0].startswith("-") else ("video.mp4", *arguments)
    result = cli.livebg("render", *given, "-o", name, "--config", str(config), "-q", "--overwrite", "--jobs", "1")
    assert (result.code, result.err) == (0, "")
    return digest(cli.folder / name)


NETWORK = ("--model", "toy.onnx")
LOOKS: Sequence[tuple[str, Mapping[str, object]]] = [
    ("portrait", {"edge": -0.8, "lens": '"disc"'}),
    ("background", {"background": '"#204060"', "light": 0.4, "light_wrap": 0.5, "edge": 0.5}),
    ("background", {"background": '"dusk"', "dim": 0.3}),
    ("greenscreen", {"edge": 0.6}),
    ("cutout", {"light": 0.3, "edge": -0.4}),
    ("matte", {"edge": 0.7}),
    ("portrait", {"framing": 1.6, "light_auto": "true"}),
]


def test_stored_matte_gives_the_bytes_of_a_direct_render(cli: LivebgCli) -> None:
    """In every mode, with all settings that use the matte, over two segments."""
    LONG.write(cli.folder / "video.mp4")
    rendered(cli, "first.mp4", *NETWORK, "--keep-matte")
    for mode, settings in LOOKS:
        name = "out.mov" if mode == "cutout" else "out.mp4"
        direct = rendered(cli, name, *NETWORK, "--mode", mode, settings=settings)
        assert rendered(cli, name, "--matte", "first.matte.mkv", "--mode", mode, settings=settings) == direct, (mode, settings)


def test_stored_matte_frames_and_lights_as_a_direct_render(cli: LivebgCli) -> None:
    """The kept matte is filtered over time; what framing and light follow is measured before that."""
    Clip(count=45, rate=Fraction(30), picture=flickering, options={"qp": "0"}).write(cli.folder / "video.mp4")
    rendered(cli, "first.mp4", *NETWORK, "--keep-matte")
    settings = {"framing": 2.5, "light_auto": "true", "edge": 0.8}
    direct = rendered(cli, "out.mp4", *NETWORK, settings=settings)
    assert rendered(cli, "out.mp4", "--matte", "first.matte.mkv", settings=settings) == direct


def flickering(number: int, width: int, height: int) -> av.VideoFrame:
    """A bright body below a head that the network takes for a part of the person in every other fifth of a second."""
    luma = np.full((height, width), 16, np.uint8)
    luma[height // 2 :, width // 3 : 2 * width // 3] = 200
    luma[height // 6 : height // 2, width // 3 : 2 * width // 3] = 110 + 10 * (number // 6 % 2)
    chroma = np.full((height // 2, width // 2), 128, np.uint8)
    return yuv_picture([luma, chroma, chroma], "yuv420p")


def test_kept_matte_has_the_frames_of_the_input(cli: LivebgCli) -> None:
    """Their times and size, losslessly, in full range, and nothing else of the input."""
    VARIABLE.write(cli.folder / "video.mp4")
    rendered(cli, "out.mp4", *NETWORK, "--keep-matte", settings={"edge": 1.0, "framing": 2.0})
    rendered(cli, "matte.mkv", *NETWORK, "--mode", "matte")
    assert cli.files() == {"video.mp4", "out.mp4", "out.matte.mkv", "matte.mkv"}
    with av.open("out.matte.mkv") as container, FileSource(Path("video.mp4")) as source:
        (stream,) = container.streams
        assert isinstance(stream, av.VideoStream)
        assert (stream.codec_context.name, stream.codec_context.pix_fmt, stream.codec_context.color_range) == ("ffv1", "gray", 2)
        assert all(packet.is_keyframe for packet in container.demux(stream) if packet.size)
        wanted = [round(frame.pts * frame.time_base * 1000) for frame in source]
    assert [time * 1000 for time in frame_times(Path("out.matte.mkv"))] == wanted
    # Without edge and framing the matte as shown is the same.
    for stored, shown in zip(pictures_of("out.matte.mkv"), pictures_of("matte.mkv"), strict=True):
        assert (luma_of(stored) == luma_of(shown)).all()


def test_stored_matte_of_a_range(cli: LivebgCli) -> None:
    LONG.write(cli.folder / "video.mp4")
    part = ("--start", "3.2", "--end", "9")
    rendered(cli, "whole.mp4", *NETWORK, "--temporal", "causal", "--keep-matte")
    direct = rendered(cli, "part.mp4", *NETWORK, *part, "--keep-matte")
    assert rendered(cli, "again.mp4", "--matte", "part.matte.mkv", *part) == direct
    assert frame_times(Path("part.matte.mkv"))[0] == Fraction("3.5"), "the times of the input"
    rendered(cli, "from_whole.mp4", "--matte", "whole.matte.mkv", *part)
    assert stamps_of("from_whole.mp4") == list(range(7, 18))
    result = cli.livebg("render", "video.mp4", "--matte", "part.matte.mkv", "-o", "wrong.mp4")
    assert result.code == 3
    assert "it has 11 frames and the video 48" in result.error_line


@pytest.mark.parametrize(
    ("name", "clip"),
    [
        ("video.mkv", replace(VARIABLE, pts=[700 + each for each in VARIABLE.pts or ()])),
        ("video.webm", replace(LONG, count=12, rate=Fraction(5), codec="libvpx-vp9", options={}, audio=None)),
        ("video.avi", replace(LONG, count=12, rate=Fraction(5), codec="mpeg4", options={"bf": "0"}, audio=None)),
        ("video.ts", replace(LONG, count=12, rate=Fraction(5), options={"bf": "2"}, audio=None)),
        ("video.mov", replace(LONG, count=12, rate=Fraction(5), display=(90, False, False), audio=None)),
        ("video.gif", replace(LONG, count=20, codec="gif", pix_fmt="gray", picture=lambda *each: gray(*each), audio=None)),
    ],
)
def test_stored_matte_fits_every_kind_of_input(name: str, clip: Clip, cli: LivebgCli) -> None:
    clip.write(cli.folder / name)
    direct = rendered(cli, "out.mkv", name, *NETWORK, "--keep-matte")
    assert rendered(cli, "again.mkv", name, "--matte", "out.matte.mkv") == direct


def gray(number: int, width: int, height: int) -> av.VideoFrame:
    plane = np.full((height, width), 40, np.uint8)
    plane[number : number + 12, 8:40] = 220
    return av.VideoFrame.from_ndarray(plane, format="gray")


def test_damaged_input_has_a_matte_as_well(cli: LivebgCli) -> None:
    """A packet that cannot be decoded has no picture and no matte."""
    path = replace(LONG, count=12, rate=Fraction(5), audio=None, options={"g": "1"}).write(cli.folder / "video.mp4")
    with av.open(str(path)) as container:
        packet = list(container.demux(video=0))[5]
    content = bytearray(path.read_bytes())
    place = content.index(bytes(packet))
    content[place : place + packet.size] = bytes(packet.size)
    path.write_bytes(content)
    direct = rendered(cli, "out.mp4", *NETWORK, "--keep-matte")
    assert rendered(cli, "again.mp4", "--matte", "out.matte.mkv") == direct


def test_stored_matte_works_in_several_processes(cli: LivebgCli) -> None:
    LONG.write(cli.folder / "video.mp4")
    options = ("--framing", "1.5", "--also", "plate=room.mov")
    direct = cli.process("render", "video.mp4", "-o", "a.mp4", *NETWORK, *options, "--keep-matte", "--jobs", "1")
    assert direct.code == 0, direct.err
    plate = digest(cli.folder / "room.mov")
    again = cli.process("render", "video.mp4", "-o", "b.mp4", "--matte", "a.matte.mkv", *options, "--jobs", "2", "--overwrite")
    assert again.code == 0, again.err
    assert digest(cli.folder / "a.mp4") == digest(cli.folder / "b.mp4")
    assert digest(cli.folder / "room.mov") == plate


def test_all_outputs_of_one_run_are_those_of_separate_runs(cli: LivebgCli) -> None:
    LONG.write(cli.folder / "video.mp4")
    settings = {"edge": 0.5, "light": 0.3, "light_auto": "true", "framing": 1.4}
    also = [option for kind in ("matte=m.mkv", "cutout=c.mov", "plate=p.webm") for option in ("--also", kind)]
    together = rendered(cli, "out.mp4", *NETWORK, *also, "--keep-matte", settings=settings)
    assert cli.files() == {"video.mp4", "out.mp4", "m.mkv", "c.mov", "p.webm", "out.matte.mkv"}
    assert rendered(cli, "out.mp4", *NETWORK, settings=settings) == together
    for mode, name in (("matte", "m.mkv"), ("cutout", "c.mov")):
        alone = f"alone.{name}"
        rendered(cli, alone, *NETWORK, "--mode", mode, settings=settings)
        assert packets_of(Path(name), "video") == packets_of(Path(alone), "video")
    for name in ("m.mkv", "c.mov", "p.webm", "out.matte.mkv"):
        with av.open(name) as container:
            assert [stream.type for stream in container.streams] == ["video"], "the sound is in the video"


def test_summary_names_the_other_outputs(cli: LivebgCli, clip: Path) -> None:
    result = cli.render(str(clip), "--keep-matte", "--also", "plate=room.mov")
    assert result.code == 0
    assert result.err.splitlines()[1:] == ["  also wrote room.mov", "  also wrote video.portrait.matte.mkv"]
    again = cli.livebg("render", str(clip), "--matte", "video.portrait.matte.mkv", "-o", "b.mp4")
    assert again.err.startswith("b.mp4: 15 frames in ")
    assert "toy" not in again.err


@pytest.mark.skipif(
    not OTHER_DISK.is_dir() or OTHER_DISK.stat().st_dev == Path(tempfile.gettempdir()).stat().st_dev, reason="needs two disks"
)
def test_outputs_can_be_on_different_disks(cli: LivebgCli, clip: Path) -> None:
    with tempfile.TemporaryDirectory(dir=OTHER_DISK) as folder:
        result = cli.render(str(clip), "--also", f"matte={folder}/m.mkv", "--also", "cutout=c.mov")
        assert (result.code, [path.name for path in Path(folder).iterdir()]) == (0, ["m.mkv"]), result.err
        assert len(pictures_of(f"{folder}/m.mkv")) == 15
    assert cli.files() == {"video.mp4", "video.portrait.mp4", "c.mov"}


def test_plate_shows_the_room_alone(cli: LivebgCli, clip: Path) -> None:
    assert cli.render(str(clip), "--also", "plate=room.mov", "--also", "matte=m.mkv").code == 0
    for number, (room, matte) in enumerate(zip(pictures_of("room.mov"), pictures_of("m.mkv"), strict=True)):
        rgba, alpha = room.to_ndarray(format="rgba"), luma_of(matte)
        assert np.abs(rgba[..., 3].astype(int) + alpha - 255).max() <= 1
        assert rgba[alpha == 255].max(initial=0) <= 2, number
        dark = rgba[alpha == 0]
        assert len(dark) > 100
        assert np.abs(dark[:, :3].astype(int) - 40).max() <= 12


def test_folder_keeps_a_matte_for_each_video(cli: LivebgCli) -> None:
    folder = cli.folder / "in"
    folder.mkdir()
    for name in ("a.mp4", "a.mkv", "b.mp4"):
        Clip(count=5).write(folder / name)
    save_photo(folder / "photo.png")
    expected = {"in/a.portrait.mp4.matte.mkv", "in/a.portrait.mkv.matte.mkv", "in/b.portrait.matte.mkv"}
    for _ in range(2):
        result = cli.render("in", "--keep-matte", "--overwrite")
        assert result.code == 0, result.err
        assert {name for name in cli.files() if "matte" in name} == expected, "a second run must not render the mattes"


def test_kept_matte_replaces_neither_input_nor_output(cli: LivebgCli) -> None:
    names = ("a.mp4", "a.portrait.matte.mkv", "b.mp4")
    for name in names:
        Clip(count=5).write(cli.folder / name)
    before = {name: digest(cli.folder / name) for name in names}
    result = cli.render(*names, "--keep-matte", "--overwrite")
    assert result.code == 4
    refused = "a.portrait.matte.mkv would hold the matte of a.mp4, but it is an input or an output as well."
    assert [line for line in result.err.splitlines() if line.startswith("livebg:")] == [
        f"livebg: {refused} Render this file alone, with another output."
    ]
    assert {name: digest(cli.folder / name) for name in names} == before
    written = {"a.portrait.matte.portrait.mkv", "a.portrait.matte.portrait.matte.mkv", "b.portrait.mp4", "b.portrait.matte.mkv"}
    assert cli.files() - before.keys() == written


REFUSED = [
    (
        ["--also", "plate"],
        2,
        "Invalid --also plate: it has no kind of output. Write KIND=FILE, where",
    ),
    (
        ["--also", "plate=p.mp4"],
        2,
        "A .mp4 file cannot hold the transparency of a plate. Name it .webm (VP9)",
    ),
    (["--also", "matte=a.mkv", "--also", "cutout=a.mkv"], 2, "A .mkv file cannot hold the transparency of a cutout."),
    (["--also", "cutout=a.mov", "--also", "plate=a.mov"], 2, "a.mov would hold both --also cutout and --also plate."),
    (["--also", "matte=video.mp4"], 4, "The output video.mp4 already exists."),
    (["--also", "matte=video.mp4", "--overwrite"], 4, "The output video.mp4 is the input itself, which is never overwritten."),
    (["--also", "matte=video.portrait.mp4"], 2, "video.portrait.mp4 would hold both the video and --also matte."),
    (["--mode", "none", "--keep-matte"], 2, "--keep-matte needs a matte, and --mode none has none. Leave one of them out."),
    (["--mode", "none", "--also", "plate=p.mov"], 2, "--also needs a matte, and --mode none has none."),
    (["--matte", "no.mkv", "--mode", "none"], 2, "--matte needs a matte, and --mode none has none."),
    (["--matte", "no.mkv", "--keep-matte"], 2, "--keep-matte and --matte exclude each other"),
    (["--matte", "no.mkv", "--temporal", "causal"], 2, "With --matte no network runs, so --temporal has no effect."),
    (["--matte", "no.mkv"], 3, "no.mkv does not exist."),
    (["--matte", "."], 3, ". is a folder, not a video file."),
    (["--matte", "video.mp4"], 3, "The matte video.mp4 is not tagged as full range, so its levels are not alpha."),
    (
        ["--matte", "matte.mkv", "--also", "matte=matte.mkv", "--overwrite"],
        2,
        "matte.mkv would hold both the matte of",
    ),
    (["--matte", "matte.mkv", "-o", "matte.mkv", "--overwrite"], 2, "matte.mkv is both the matte and the output."),
]


@pytest.mark.parametrize(("arguments", "code", "message"), REFUSED)
def test_impossible_requests_are_refused(arguments: Sequence[str], code: int, message: str, cli: LivebgCli, clip: Path) -> None:
    """Before any work, with one line, without a trace."""
    (cli.folder / "matte.mkv").touch()
    before = cli.files()
    model = () if "--matte" in arguments else NETWORK
    result = cli.livebg("render", str(clip), *arguments, *model)
    assert (result.code, cli.files()) == (code, before)
    assert result.error_line.startswith(message)
    assert len(result.error_line.split(". ")) >= 2, "what to do"


def test_options_for_one_video_refuse_others(cli: LivebgCli, clip: Path, photo: Path) -> None:
    assert "but there are 2 inputs" in render_error(cli, 2, str(clip), str(photo), "--also", "matte=m.mkv")
    assert "but photo.png is a photo" in render_error(cli, 2, str(photo), "--also", "matte=m.mkv")
    assert "--keep-matte needs a video" in render_error(cli, 2, str(photo), "--keep-matte")
    for inputs, found in (([str(photo)], "photo.png is a photo"), ([str(clip), str(photo)], "there are 2 inputs")):
        result = cli.livebg("render", *inputs, "--matte", "m.mkv")
        assert (result.code, found in result.error_line) == (2, True)


def test_wrong_matte_is_refused_before_the_first_frame(cli: LivebgCli, clip: Path) -> None:
    """The messages are those of the index; here, nothing may be left behind."""
    Clip(count=14).write(cli.folder / "short.mp4")
    Clip(count=15, width=80).write(cli.folder / "wide.mp4")
    messages = {"short": "it has 14 frames and the video 15", "wide": "is 80x48, but the frames of the video are 64x48"}
    for name, message in messages.items():
        assert cli.render(f"{name}.mp4", "-o", f"{name}.out.mp4", "--keep-matte").code == 0
        before = cli.files()
        result = cli.livebg("render", str(clip), "--matte", f"{name}.out.matte.mkv")
        assert (result.code, cli.files()) == (3, before)
        assert message in result.error_line
