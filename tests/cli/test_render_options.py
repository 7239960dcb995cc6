"""``livebg render``: options and settings."""

from collections.abc import Sequence
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from tests.support.cli_runner import LivebgCli, render_error
from tests.support.decoding import pictures_of, stamps_of
from tests.support.photos import pixels_of, save_pixels
from tests.support.toy_network import ToyNetwork


@pytest.mark.parametrize(
    ("options", "stamps"),
    [
        (("--start", "0.2"), range(5, 15)),
        (("--end", "0.2"), range(5)),
        (("--start", "0:00.2", "--end", "0:00:00.4"), range(5, 10)),
        (("--start", "0", "--end", "1:00"), range(15)),
        (("--start", "00:00:00.56"), range(14, 15)),
    ],
)
def test_start_and_end_select_frames(options: Sequence[str], stamps: range, cli: LivebgCli, clip: Path) -> None:
    assert cli.render(str(clip), "--mode", "none", *options).code == 0
    assert stamps_of("video.none.mp4") == list(stamps)
    assert pictures_of("video.none.mp4")[0].pts == 0


@pytest.mark.parametrize(
    ("options", "code", "sentence"),
    [
        (("--start", "soon"), 2, "'soon' is not a time. Write seconds or HH:MM:SS, such as 90, 1:30 or 0:01:30.5."),
        (("--end", "1:60"), 2, "'1:60' is not a time. Write seconds or HH:MM:SS, such as 90, 1:30 or 0:01:30.5."),
        (
            ("--start", "3", "--end", "1"),
            2,
            "The range ends at 1.000 s but starts at 3.000 s. Set --end to a later time than --start.",
        ),
        (("--start", "5"), 3, "The last frame of video.mp4 is at 0.560 s, before --start 5.000 s. Set an earlier --start."),
        (
            ("--start", "1e30"),  # more than 64 bits
            3,
            "The last frame of video.mp4 is at 0.560 s, before --start 1000000000.000 s. Set an earlier --start.",
        ),
    ],
)
def test_invalid_times_fail(options: Sequence[str], code: int, sentence: str, cli: LivebgCli, clip: Path) -> None:
    result = cli.render(str(clip), *options)
    assert (result.code, result.error_line) == (code, sentence)
    assert cli.files() == {"video.mp4"}


@pytest.mark.parametrize(
    ("source", "background", "options"),
    [
        ("photo.png", "link.jpg", ("-o", "beach.jpg")),
        ("video.mp4", "sea.mp4", ("-o", "sea.mp4")),
        ("video.mp4", "sea.mov", ("-o", "out.mp4", "--also", "cutout=sea.mov")),
        ("photo.png", "beach.jpg", ("-o", "beach.jpg")),
    ],
)
@pytest.mark.usefixtures("photo")
def test_background_is_never_overwritten(
    source: str, background: str, options: Sequence[str], cli: LivebgCli, clip: Path
) -> None:
    save_pixels(np.full((40, 60, 3), 90, np.uint8), Path("beach.jpg"))
    Path("link.jpg").symlink_to("beach.jpg")
    for name in ("sea.mp4", "sea.mov"):
        Path(name).write_bytes(clip.read_bytes())
    before = {name: Path(name).read_bytes() for name in cli.files()}
    message = render_error(cli, 4, source, "--mode", "background", "--background", background, *options, "--overwrite")
    assert message.endswith(" is the background itself, which is never overwritten. Choose another output.")
    assert {name: Path(name).read_bytes() for name in cli.files()} == before


@pytest.mark.parametrize(("option", "time"), [("--start", "0"), ("--end", "1:00")])
def test_range_needs_a_video(option: str, time: str, cli: LivebgCli, photo: Path, clip: Path) -> None:
    message = render_error(cli, 2, str(photo), option, time)
    assert message == f"{option} needs a video, but there are only photos. Leave it out."
    Path("out").mkdir()
    assert cli.render(str(photo), str(clip), "-o", "out", option, time).code == 0


def test_larger_blur_smooths_more(cli: LivebgCli, photo: Path) -> None:
    deviations = []
    for blur in ("0", "0.02", "0.5"):
        assert cli.render(str(photo), "--blur", blur, "--overwrite").code == 0
        deviations.append(float(pixels_of("photo.portrait.png")[:, :20].std(axis=(0, 1)).mean()))
    assert pixels_of(str(photo))[:, :20].std() > deviations[0] > deviations[1] > deviations[2]


def test_background_option_implies_mode_background(cli: LivebgCli, photo: Path) -> None:
    assert cli.render(str(photo), "--background", "#ff8000").code == 0
    assert np.abs(pixels_of("photo.background.png")[:, :20].astype(int) - (255, 128, 0)).max() <= 2
    Image.new("RGB", (30, 20), (10, 60, 200)).save(cli.folder / "wall.png")
    assert cli.render(str(photo), "--background", "wall.png", "--mode", "background", "--overwrite").code == 0
    assert np.abs(pixels_of("photo.background.png")[:, :20].astype(int) - (10, 60, 200)).max() <= 2
    np.testing.assert_array_equal(pixels_of("photo.background.png")[:, 45:], pixels_of(str(photo))[:, 45:])


@pytest.mark.parametrize(
    ("background", "sentence"),
    [
        ("missing.png", "The background missing.png does not exist. Use a picture or a color such as #204060."),
        (
            "bad.png",
            "The background bad.png is not a readable picture. "
            "Use JPEG, PNG, WebP, TIFF, BMP, AVIF, HEIC or JPEG 2000, or #rrggbb.",
        ),
        ("#12345", "The background '#12345' is not a color. Write #rrggbb, such as #00ff00."),
        (
            "bad.mp4",
            "The background cannot be used: bad.mp4 cannot be read as a video. Check that it is a complete video file.",
        ),
    ],
)
def test_invalid_background_fails(background: str, sentence: str, cli: LivebgCli, clip: Path) -> None:
    for name in ("bad.png", "bad.mp4"):
        (cli.folder / name).write_text("no picture")
    result = cli.render(str(clip), "--background", background)
    assert (result.code, result.error_line) == (2, sentence)
    assert cli.files() == {"video.mp4", "bad.png", "bad.mp4"}


def test_background_conflicts_with_other_mode(cli: LivebgCli, photo: Path) -> None:
    result = cli.render(str(photo), "--background", "#ff8000", "--mode", "matte")
    assert (result.code, result.error_line) == (
        2,
        "--background requires --mode background, not --mode matte. Leave one of them out.",
    )


def test_model_input_size_and_provider_are_used(cli: LivebgCli, photo: Path) -> None:
    ToyNetwork(offset=10).write(cli.folder / "everybody.onnx")
    options = ("--model", "everybody.onnx", "--input-size", "64x48", "--provider", "cpu", "--temporal", "causal", "--json")
    last = cli.render(str(photo), "--mode", "matte", *options).json_lines[-1]
    assert (last["model"], last["input_size"], last["provider"]) == ("everybody", "64x48", "CPUExecutionProvider")
    assert pixels_of("photo.matte.png").min() == 255


@pytest.mark.parametrize(("codec", "name"), [("libx265", "hevc"), ("ffv1", "ffv1"), ("libsvtav1", "libdav1d")])
def test_codec_option_selects_codec(codec: str, name: str, cli: LivebgCli, clip: Path) -> None:
    assert cli.render(str(clip), "-o", "out.mkv", "--codec", codec, "--mode", "none").code == 0
    with av.open("out.mkv") as container:
        assert container.streams.video[0].codec_context.name == name
    assert stamps_of("out.mkv") == list(range(15))


def test_crf_and_preset_reach_encoder(cli: LivebgCli, clip: Path) -> None:
    for name, options in {"fine": ("--crf", "1"), "coarse": ("--crf", "45"), "fast": ("--preset", "ultrafast")}.items():
        assert cli.render(str(clip), "-o", f"{name}.mp4", *options).code == 0
    # x264 writes its options into the stream.
    contents = {name: (cli.folder / f"{name}.mp4").read_bytes() for name in ("fine", "coarse", "fast")}
    assert b"crf=45.0" in contents["coarse"]
    assert b"crf=19.0" in contents["fast"]
    assert b"cabac=0" in contents["fast"]
    assert b"cabac=1" in contents["coarse"]
    assert b"crf=1.0" in contents["fine"]


@pytest.mark.parametrize(
    "options", [("--mode", "zebra"), ("--temporal", "zebra"), ("--blur", "2"), ("--jobs", "0"), ("--zebra",), ("--crf", "good")]
)
def test_usage_error_names_option(options: Sequence[str], cli: LivebgCli, photo: Path) -> None:
    result = cli.render(str(photo), *options)
    assert (result.code, result.out) == (2, "")
    assert options[0] in result.err
    assert cli.files() == {"photo.png"}


def test_settings_apply_to_render(cli: LivebgCli, photo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (cli.folder / "my.toml").write_text('[effect]\nmode = "greenscreen"\nscreen = "#ff0000"\n')
    assert cli.render(str(photo), "--config", "my.toml").code == 0
    assert np.abs(pixels_of("photo.greenscreen.png")[:, :20].astype(int) - (255, 0, 0)).max() <= 2
    monkeypatch.setenv("LIVEBG_EFFECT__MODE", "matte")
    assert cli.render(str(photo), "--config", "my.toml").code == 0
    assert cli.render(str(photo), "--config", "my.toml", "--mode", "cutout").code == 0
    assert cli.files() >= {"photo.matte.png", "photo.cutout.png"}


def test_mode_none_is_accepted_only_on_command_line(cli: LivebgCli, photo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIVEBG_EFFECT__MODE", "none")
    result = cli.render(str(photo))
    assert result.code == 2
    assert "Use --mode none on the command line." in result.error_line
    monkeypatch.delenv("LIVEBG_EFFECT__MODE")
    assert cli.render(str(photo), "--mode", "none").code == 0
    np.testing.assert_array_equal(pixels_of("photo.none.png"), pixels_of(str(photo)))


def test_mistyped_settings_exit_with_2(cli: LivebgCli, photo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (cli.folder / "my.toml").write_text("[effect]\nblurr = 0.1\n")
    result = cli.render(str(photo), "--config", "my.toml")
    assert (result.code, result.error_line) == (2, "Unknown key effect.blurr in my.toml. Did you mean effect.blur?")
    monkeypatch.setenv("LIVEBG_EFFECT__BLURR", "0.1")
    result = cli.render(str(photo))
    assert (result.code, result.error_line) == (
        2,
        "Unknown environment variable LIVEBG_EFFECT__BLURR. Did you mean LIVEBG_EFFECT__BLUR?",
    )
