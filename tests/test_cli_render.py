"""``livebg render``: what each option does, and what comes of files and folders."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from tests.command import Workshop
from tests.media import Clip, read_stamp, stamped
from tests.muxing import Recording, frame_times, packets_of, record
from tests.toy_network import ToyNetwork

Pixels = NDArray[np.uint8]
SIZE = (64, 48)


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workshop:
    return Workshop(tmp_path, monkeypatch)


@pytest.fixture
def clip(shop: Workshop) -> Path:
    """``video.mp4``: 15 frames, 25 a second, with sound."""
    Clip(count=15, audio="aac").write(shop.folder / "video.mp4")
    return Path("video.mp4")


@pytest.fixture
def photo(shop: Workshop) -> Path:
    """``photo.png``: dark on the left, bright on the right."""
    save_photo(shop.folder / "photo.png")
    return Path("photo.png")


def save_photo(path: Path, size: tuple[int, int] = (60, 40)) -> Pixels:
    noise = np.random.default_rng(3).integers(-15, 16, (size[1], size[0], 3))
    pixels: Pixels = (np.where(np.arange(size[0]) < size[0] // 2, 30, 220)[None, :, None] + noise).astype(np.uint8)
    Image.fromarray(pixels).save(path)
    return pixels


def pixels_of(path: str) -> Pixels:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGBA" if image.mode == "RGBA" else "RGB"))


def pictures_of(path: str) -> list[av.VideoFrame]:
    with av.open(path) as container:
        return list(container.decode(video=0))


def luma_of(picture: av.VideoFrame) -> Pixels:
    plane = picture.planes[0]
    return np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, -1)[:, : plane.width]


def stamps_of(path: str) -> list[int]:
    return [read_stamp(luma_of(picture)) for picture in pictures_of(path)]


def blocks_of(number: int) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Where the stamp of a number is dark and where it is bright, well inside the blocks."""
    luma = stamped(number, *SIZE)
    inside = np.ones(luma.shape, bool)
    for axis in (0, 1):
        for shift in range(-6, 7):
            inside &= np.roll(luma, shift, axis) == luma
    return inside & (luma == 50), inside & (luma == 200)


def test_a_video_lies_beside_its_input_and_the_summary_says_what_was_done(shop: Workshop, clip: Path) -> None:
    said = shop.render(str(clip))
    assert (said.code, said.out) == (0, "")
    assert said.err.startswith("video.portrait.mp4: 15 frames in ")
    assert said.err.endswith(" fps, toy at 224x160 on CPUExecutionProvider\n")
    assert shop.files() == {"video.mp4", "video.portrait.mp4"}
    assert frame_times(shop.folder / "video.portrait.mp4") == [Fraction(number, 25) for number in range(15)]
    assert packets_of(shop.folder / "video.portrait.mp4", "audio") == packets_of(shop.folder / "video.mp4", "audio")


@pytest.mark.parametrize("mode", ["portrait", "greenscreen", "background", "none"])
def test_a_video_in_a_mode_that_shows_the_person(mode: str, shop: Workshop, clip: Path) -> None:
    assert shop.render(str(clip), "--mode", mode, "--crf", "5").code == 0
    pictures = pictures_of(f"video.{mode}.mp4")
    assert len(pictures) == 15
    dark, bright = blocks_of(9)
    rgb = pictures[9].to_ndarray(format="rgb24").astype(int)
    assert np.abs(luma_of(pictures[9])[bright].astype(int) - 200).max() <= 3
    expected = {"greenscreen": (0, 255, 0), "background": (0x20, 0x40, 0x60), "none": (40, 40, 40)}
    if mode in expected:
        assert np.abs(rgb[dark] - expected[mode]).max() <= 8


def test_a_video_as_its_matte(shop: Workshop, clip: Path) -> None:
    assert shop.render(str(clip), "--mode", "matte").code == 0
    assert stamps_of("video.matte.mp4") == list(range(15))
    dark, bright = blocks_of(9)
    luma = luma_of(pictures_of("video.matte.mp4")[9])
    assert (luma[dark].max(), luma[bright].min()) == (0, 255)


@pytest.mark.parametrize(("ending", "codec", "pix_fmt"), [("mov", "prores", "yuva444p10le"), ("webm", "libvpx-vp9", "yuva420p")])
def test_a_video_cut_out(ending: str, codec: str, pix_fmt: str, shop: Workshop, clip: Path) -> None:
    said = shop.render(str(clip), "--mode", "cutout", "-o", f"person.{ending}", "--drop-streams")
    assert said.code == 0
    with av.open(f"person.{ending}") as container:
        stream = container.streams.video[0]
        decoder = av.CodecContext.create(codec, "r")
        assert isinstance(decoder, av.VideoCodecContext)
        decoder.extradata = stream.codec_context.extradata
        pictures = [frame for packet in container.demux(stream) for frame in decoder.decode(packet)]
    assert len(pictures) == 15
    assert pictures[9].format.name == pix_fmt
    dark, bright = blocks_of(9)
    rgba = pictures[9].to_ndarray(format="rgba")
    assert rgba[dark].max() <= 2
    assert rgba[bright][:, 3].min() >= 253


def test_the_note_of_another_container_is_one_line(shop: Workshop) -> None:
    Clip(count=3, codec="mpeg4").write(shop.folder / "video.avi")
    said = shop.render("video.avi")
    assert said.err.splitlines()[0] == "video.avi: written as mkv, which holds any timing and sound"
    assert len(pictures_of("video.portrait.mkv")) == 3


def test_an_output_file_or_folder(shop: Workshop, clip: Path) -> None:
    (shop.folder / "out").mkdir()
    assert shop.render(str(clip), "-o", "out").code == 0
    assert shop.render(str(clip), "--output", "out/other.mkv").code == 0
    assert shop.files() == {"video.mp4", "out", "out/video.portrait.mp4", "out/other.mkv"}


@pytest.mark.usefixtures("clip", "photo")
@pytest.mark.parametrize("extra", [(), ("--overwrite",)])
@pytest.mark.parametrize("link", [None, os.symlink, os.link])
@pytest.mark.parametrize("name", ["video.mp4", "photo.png"])
def test_the_input_is_never_overwritten(name: str, link: object, extra: tuple[str, ...], shop: Workshop) -> None:
    before = (shop.folder / name).read_bytes()
    output = name if link is None else f"link-{name}"
    if callable(link):
        link(shop.folder / name, shop.folder / output)
    said = shop.render(name, "-o", output, *extra)
    assert said.code == 4
    assert said.sentence.startswith(f"the output {output} ")
    if extra:
        assert said.sentence.endswith("is the input itself, which is never overwritten: choose another output")
    assert (shop.folder / name).read_bytes() == before
    assert shop.files() <= {"video.mp4", "photo.png", output}


@pytest.mark.usefixtures("clip", "photo")
@pytest.mark.parametrize("name", ["video.mp4", "photo.png"])
def test_an_output_that_exists_needs_overwrite(name: str, shop: Workshop) -> None:
    output = shop.folder / name.replace(".", ".portrait.")
    output.write_text("mine")
    said = shop.render(name)
    assert said.code == 4
    assert said.sentence == f"the output {output.name} exists already: choose another output or allow overwriting (--overwrite)"
    assert output.read_text() == "mine"
    assert shop.render(name, "--overwrite").code == 0
    assert output.stat().st_size > 100


def test_a_missing_output_folder_is_not_made(shop: Workshop, clip: Path) -> None:
    said = shop.render(str(clip), "-o", "new/video.mp4")
    assert (said.code, said.sentence) == (4, "the output folder new does not exist: make it first, or name another")
    assert shop.files() == {"video.mp4"}


@pytest.fixture
def mixed(shop: Workshop) -> Path:
    """``in``: a video, two photos that would become the same cut-out, a sub-folder with a video, and one bad file in each."""
    folder = shop.folder / "in"
    (folder / "sub").mkdir(parents=True)
    (folder / "broken").mkdir()
    Clip(count=4).write(folder / "video.mp4")
    Clip(count=5).write(folder / "sub" / "video.mp4")
    save_photo(folder / "astro.jpg")
    save_photo(folder / "astro.png")
    (folder / "bad.mp4").write_text("no video")
    (folder / "broken" / "bad.jpg").write_text("no photo")
    return Path("in")


def test_a_folder_goes_on_after_a_bad_file_and_keeps_its_subfolders(shop: Workshop, mixed: Path) -> None:
    (shop.folder / "out").mkdir()
    before = shop.files()
    said = shop.render(str(mixed), "-o", "out", "--mode", "cutout")
    assert said.code == 3
    assert [line for line in said.err.splitlines() if line.startswith("livebg:")] == [
        "livebg: in/bad.mp4 cannot be read as a video: it is another kind of file, damaged, or was never written to its end",
        "livebg: in/broken/bad.jpg is not a photo that can be read: use JPEG, PNG, WebP, TIFF, BMP or AVIF",
    ]
    assert shop.files() - before == {
        "out/astro.jpg.cutout.png",
        "out/astro.png.cutout.png",
        "out/video.cutout.mov",
        "out/sub",
        "out/sub/video.cutout.mov",
    }


def test_a_second_run_over_a_folder_takes_the_same_inputs(shop: Workshop, mixed: Path) -> None:
    assert shop.render(str(mixed), "--mode", "cutout").code == 3
    first = shop.files()
    again = shop.render(str(mixed), "--mode", "cutout")
    assert again.code == 4
    assert again.err.count("exists already") == 4
    assert shop.render(str(mixed), "--mode", "cutout", "--overwrite").code == 3
    assert shop.files() == first


def test_the_exit_code_is_the_worst_of_all(shop: Workshop, clip: Path, photo: Path) -> None:
    (shop.folder / "bad.mp4").write_text("no video")
    (shop.folder / "photo.portrait.png").touch()
    assert shop.render(str(clip), "bad.mp4").code == 3
    said = shop.render(str(clip), "bad.mp4", str(photo), "--overwrite", "--end", "0.1")
    assert said.code == 3
    said = shop.render("bad.mp4", str(clip), str(photo))
    assert said.code == 4
    assert said.err.count("livebg:") == 2 + 1


def test_the_same_bytes_from_one_job_and_from_two(shop: Workshop, mixed: Path) -> None:
    results = []
    for jobs in ("1", "2"):
        out = shop.folder / f"out{jobs}"
        out.mkdir()
        assert shop.render(str(mixed), "-o", out.name, "--jobs", jobs).code == 3
        results.append({str(path.relative_to(out)): path.read_bytes() for path in out.rglob("*") if path.is_file()})
    assert len(results[0]) == 4
    assert results[0] == results[1]


@pytest.mark.usefixtures("mixed")
def test_a_network_that_cannot_be_loaded_is_told_once(shop: Workshop) -> None:
    (shop.folder / "bad.onnx").write_text("no network")
    before = shop.files()
    for jobs in ("1", "3"):
        said = shop.render("in/sub", "in/astro.jpg", "in/astro.png", "in/video.mp4", "--model", "bad.onnx", "--jobs", jobs)
        assert (said.code, said.sentence) == (5, "bad.onnx is no ONNX network, or damaged: download or copy it again")
    assert shop.files() == before


def test_json_lines(shop: Workshop, clip: Path) -> None:
    said = shop.render(str(clip), "--json")
    assert (said.code, said.err) == (0, "")
    assert [fact["event"] for fact in said.facts][:2] == ["started", "progress"]
    assert said.facts[0] == {
        "event": "started",
        "input": "video.mp4",
        "output": "video.portrait.mp4",
        "total": 15,
        "note": "",
    }
    done = said.facts[-1]
    assert done.pop("seconds") > 0
    assert done.pop("fps") > 0
    assert done == {
        "event": "done",
        "input": "video.mp4",
        "output": "video.portrait.mp4",
        "frames": 15,
        "model": "toy",
        "provider": "CPUExecutionProvider",
        "input_size": "224x160",
        "notes": [],
    }


def test_json_of_a_folder_ends_with_the_sum(shop: Workshop, mixed: Path) -> None:
    said = shop.render(str(mixed), "--json")
    assert said.code == 3
    errors = [fact for fact in said.facts if fact["event"] == "error"]
    assert [(fact["input"], fact["exit_code"]) for fact in errors] == [("in/bad.mp4", 3), ("in/broken/bad.jpg", 3)]
    last = said.facts[-1]
    assert (last["event"], last["files"], last["frames"], last["model"]) == ("summary", 4, 1 + 1 + 4 + 5, "toy")
    assert {"seconds", "fps", "provider", "input_size"} < set(last)
    assert sorted(last["output"]) == [
        "in/astro.portrait.jpg",
        "in/astro.portrait.png",
        "in/sub/video.portrait.mp4",
        "in/video.portrait.mp4",
    ]


def test_json_of_mode_none_knows_no_network(shop: Workshop, photo: Path) -> None:
    last = shop.livebg("render", str(photo), "--mode", "none", "--json", "--model", "missing.onnx").facts[-1]
    assert (last["frames"], last["model"], last["provider"], last["input_size"]) == (1, None, None, None)


def test_quiet_says_nothing_but_errors(shop: Workshop, clip: Path, photo: Path) -> None:
    said = shop.render(str(clip), str(photo), "--quiet")
    assert (said.code, said.out, said.err) == (0, "", "")
    assert shop.render(str(photo), "-q").sentence.startswith("the output photo.portrait.png exists already")


@pytest.mark.parametrize("name", ["[red]a[b].png", ":smile:.png", "Grüße & – 猫.png", "-dash.png", "it's.png", "a\\[b].png"])
def test_names_are_said_as_they_are(name: str, shop: Workshop) -> None:
    save_photo(shop.folder / name)
    output = name.replace(".png", ".portrait.png")
    said = shop.render("--model", "toy.onnx", "--", name)
    assert said.code == 0
    assert said.err.startswith(f"{output}: 1 frame in ")
    facts = shop.render("--json", "--overwrite", "--model", "toy.onnx", "--", name).facts
    assert facts[-1]["output"] == output
    assert f"livebg: the output {output} exists" in shop.render("--model", "toy.onnx", "--", name).err


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
def test_start_and_end(options: Sequence[str], stamps: range, shop: Workshop, clip: Path) -> None:
    assert shop.render(str(clip), "--mode", "none", *options).code == 0
    assert stamps_of("video.none.mp4") == list(stamps)
    assert pictures_of("video.none.mp4")[0].pts == 0


@pytest.mark.parametrize(
    ("options", "code", "sentence"),
    [
        (("--start", "soon"), 2, "'soon' is not a time: write seconds or HH:MM:SS, such as 90, 1:30 or 0:01:30.5"),
        (("--end", "1:60"), 2, "'1:60' is not a time: write seconds or HH:MM:SS, such as 90, 1:30 or 0:01:30.5"),
        (("--start", "3", "--end", "1"), 2, "the range ends at 1.000 s but starts at 3.000 s: give an --end after --start"),
        (("--start", "5"), 3, "the last frame of video.mp4 is at 0.560 s, before --start 5.000 s: start earlier"),
    ],
)
def test_times_that_cannot_be(options: Sequence[str], code: int, sentence: str, shop: Workshop, clip: Path) -> None:
    said = shop.render(str(clip), *options)
    assert (said.code, said.sentence) == (code, sentence)
    assert shop.files() == {"video.mp4"}


def test_blur_is_a_share_of_the_height(shop: Workshop, photo: Path) -> None:
    deviations = []
    for blur in ("0", "0.02", "0.5"):
        assert shop.render(str(photo), "--blur", blur, "--overwrite").code == 0
        deviations.append(float(pixels_of("photo.portrait.png")[:, :20].std(axis=(0, 1)).mean()))
    assert pixels_of(str(photo))[:, :20].std() > deviations[0] > deviations[1] > deviations[2]


def test_a_background_colour_or_picture_is_meant_when_it_is_named(shop: Workshop, photo: Path) -> None:
    assert shop.render(str(photo), "--background", "#ff8000").code == 0
    assert np.abs(pixels_of("photo.background.png")[:, :20].astype(int) - (255, 128, 0)).max() <= 2
    Image.new("RGB", (30, 20), (10, 60, 200)).save(shop.folder / "wall.png")
    assert shop.render(str(photo), "--background", "wall.png", "--mode", "background", "--overwrite").code == 0
    assert np.abs(pixels_of("photo.background.png")[:, :20].astype(int) - (10, 60, 200)).max() <= 2
    np.testing.assert_array_equal(pixels_of("photo.background.png")[:, 45:], pixels_of(str(photo))[:, 45:])


@pytest.mark.parametrize(
    ("background", "sentence"),
    [
        ("missing.png", "the background missing.png does not exist: name a picture or a colour such as #204060"),
        ("bad.png", "the background bad.png is not a picture that can be read: use JPEG, PNG or WebP, or #rrggbb"),
        ("#12345", "the background '#12345' is not a colour: write #rrggbb, such as #00ff00"),
        ("video.mp4", "the background video.mp4 is a video, which cannot be a background yet: use a picture or #rrggbb"),
    ],
)
def test_a_background_that_cannot_be(background: str, sentence: str, shop: Workshop, clip: Path) -> None:
    (shop.folder / "bad.png").write_text("no picture")
    said = shop.render(str(clip), "--background", background)
    assert (said.code, said.sentence) == (2, sentence)
    assert shop.files() == {"video.mp4", "bad.png"}


def test_a_background_does_not_go_with_another_mode(shop: Workshop, photo: Path) -> None:
    said = shop.render(str(photo), "--background", "#ff8000", "--mode", "matte")
    assert (said.code, said.sentence) == (
        2,
        "--background belongs to --mode background, not to --mode matte: leave one of them out",
    )


def test_the_model_its_input_size_and_its_provider(shop: Workshop, photo: Path) -> None:
    ToyNetwork(offset=10).write(shop.folder / "everybody.onnx")
    options = ("--model", "everybody.onnx", "--input-size", "64x48", "--provider", "cpu", "--temporal", "causal", "--json")
    last = shop.render(str(photo), "--mode", "matte", *options).facts[-1]
    assert (last["model"], last["input_size"], last["provider"]) == ("everybody", "64x48", "CPUExecutionProvider")
    assert pixels_of("photo.matte.png").min() == 255


@pytest.mark.parametrize(("codec", "name"), [("libx265", "hevc"), ("ffv1", "ffv1"), ("libsvtav1", "libdav1d")])
def test_the_codec(codec: str, name: str, shop: Workshop, clip: Path) -> None:
    assert shop.render(str(clip), "-o", "out.mkv", "--codec", codec, "--mode", "none").code == 0
    with av.open("out.mkv") as container:
        assert container.streams.video[0].codec_context.name == name
    assert stamps_of("out.mkv") == list(range(15))


def test_quality_and_preset(shop: Workshop, clip: Path) -> None:
    for name, options in {"fine": ("--crf", "1"), "coarse": ("--crf", "45"), "fast": ("--preset", "ultrafast")}.items():
        assert shop.render(str(clip), "-o", f"{name}.mp4", *options).code == 0
    # x264 writes its options into the stream.
    contents = {name: (shop.folder / f"{name}.mp4").read_bytes() for name in ("fine", "coarse", "fast")}
    assert b"crf=45.0" in contents["coarse"]
    assert b"crf=19.0" in contents["fast"]
    assert b"cabac=0" in contents["fast"]
    assert b"cabac=1" in contents["coarse"]
    assert b"crf=1.0" in contents["fine"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--codec", "h26x"), "the codec 'h26x' is no encoder of this libav: choose for example libx264"),
        (("--codec", "aac"), "the codec 'aac' does not encode 8-bit 4:2:0 video"),
        (("--crf", "60"), "the quality crf 60 is outside 0 to 51 of the codec libx264"),
        (("--crf", "-1"), "the setting render.crf cannot be -1.0 (on the command line): it should be greater than or equal to 0"),
        (("--preset", "fats"), "the setting render.preset cannot be 'fats' (on the command line): it should be 'ultrafast'"),
        (("--input-size", "3x"), "the setting model.input_size cannot be '3x' (on the command line): '3x' is not a size"),
        (("--codec", "prores_ks"), "the codec 'prores_ks' does not encode 8-bit 4:2:0 video"),
    ],
)
def test_options_that_cannot_be_are_told_once_before_anything_is_done(
    options: Sequence[str], words: str, shop: Workshop, mixed: Path
) -> None:
    before = shop.files()
    said = shop.render(str(mixed), *options)
    assert said.code == 2
    assert said.sentence.startswith(words)
    assert shop.files() == before


@pytest.mark.parametrize(
    "options", [("--mode", "zebra"), ("--temporal", "zebra"), ("--blur", "2"), ("--jobs", "0"), ("--zebra",), ("--crf", "good")]
)
def test_usage_is_told_with_the_option(options: Sequence[str], shop: Workshop, photo: Path) -> None:
    said = shop.render(str(photo), *options)
    assert (said.code, said.out) == (2, "")
    assert options[0] in said.err
    assert shop.files() == {"photo.png"}


def test_streams_are_dropped_only_when_that_is_said(shop: Workshop) -> None:
    record(shop.folder / "talk.mkv", Recording(seconds=1, font=b"a font"))
    said = shop.render("talk.mkv", "-o", "talk.mp4")
    assert said.code == 4
    assert "--drop-streams" in said.sentence
    assert shop.files() == {"talk.mkv"}
    said = shop.render("talk.mkv", "-o", "talk.mp4", "--drop-streams")
    assert said.code == 0
    assert len(packets_of(shop.folder / "talk.mp4", "audio")) == len(packets_of(shop.folder / "talk.mkv", "audio")) > 0


def test_settings_reach_the_render(shop: Workshop, photo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (shop.folder / "my.toml").write_text('[effect]\nmode = "greenscreen"\nscreen = "#ff0000"\n')
    assert shop.render(str(photo), "--config", "my.toml").code == 0
    assert np.abs(pixels_of("photo.greenscreen.png")[:, :20].astype(int) - (255, 0, 0)).max() <= 2
    monkeypatch.setenv("LIVEBG_EFFECT__MODE", "matte")
    assert shop.render(str(photo), "--config", "my.toml").code == 0
    assert shop.render(str(photo), "--config", "my.toml", "--mode", "cutout").code == 0
    assert shop.files() >= {"photo.matte.png", "photo.cutout.png"}


def test_mode_none_is_said_on_the_command_line_alone(shop: Workshop, photo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIVEBG_EFFECT__MODE", "none")
    said = shop.render(str(photo))
    assert said.code == 2
    assert "say --mode none on the command line" in said.sentence
    monkeypatch.delenv("LIVEBG_EFFECT__MODE")
    assert shop.render(str(photo), "--mode", "none").code == 0
    np.testing.assert_array_equal(pixels_of("photo.none.png"), pixels_of(str(photo)))


def test_mistyped_settings_exit_with_2(shop: Workshop, photo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (shop.folder / "my.toml").write_text("[effect]\nblurr = 0.1\n")
    said = shop.render(str(photo), "--config", "my.toml")
    assert (said.code, said.sentence) == (2, "my.toml: effect.blurr is no setting: did you mean effect.blur?")
    monkeypatch.setenv("LIVEBG_EFFECT__BLURR", "0.1")
    said = shop.render(str(photo))
    assert (said.code, said.sentence) == (
        2,
        "the environment variable LIVEBG_EFFECT__BLURR is no setting: did you mean LIVEBG_EFFECT__BLUR?",
    )


def test_inputs_are_opened_before_the_model_is(shop: Workshop, photo: Path) -> None:
    (shop.folder / "bad.mp4").write_text("no video")
    (shop.folder / "bad.png").write_text("no photo")
    for name in ("bad.mp4", "bad.png"):
        assert shop.render(name, "--model", "missing.onnx").code == 3
    said = shop.render(str(photo), "--model", "missing.onnx")
    assert said.code == 5
    assert said.sentence.startswith(
        "the model file missing.onnx does not exist: give the path of an .onnx file, or one of u2netp"
    )


def test_help_and_version(shop: Workshop) -> None:
    assert shop.livebg("--version").out.startswith("livebg 0.")
    for option in ("--mode", "--background", "--blur", "--drop-streams", "--json", "by default portrait", "by default libx264"):
        assert option in " ".join(shop.livebg("render", "--help").out.replace("│", "").split()), option
    assert shop.livebg("render").code == 2


@pytest.mark.parametrize(
    ("number", "arguments", "sentence"),
    [
        (signal.SIGINT, ("in/long.mp4",), "stopped, and the unfinished in/long.portrait.mp4 was removed"),
        (signal.SIGTERM, ("in/long.mp4",), "stopped, and the unfinished in/long.portrait.mp4 was removed"),
        (signal.SIGINT, ("in", "--jobs", "2"), "stopped after 0 of 3 files, and what was unfinished was removed"),
    ],
)
def test_stopping_removes_what_is_unfinished_and_says_so(
    number: signal.Signals, arguments: Sequence[str], sentence: str, shop: Workshop
) -> None:
    (shop.folder / "in").mkdir()
    Clip(count=600, width=320, height=240).write(shop.folder / "in" / "long.mp4")
    for name in ("longer.mp4", "longest.mp4"):
        (shop.folder / "in" / name).write_bytes((shop.folder / "in" / "long.mp4").read_bytes())
    before = shop.files()
    command = [sys.executable, "-m", "livebg", "render", *arguments, "--model", "toy.onnx", "--preset", "slower", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if json.loads(line)["event"] == "progress":
                break
        during = shop.files()
        process.send_signal(number)
        out, err = process.communicate(timeout=30)
    assert any(name.endswith(".part") for name in during)
    assert (process.returncode, err) == (130, f"livebg: {sentence}\n")
    stopped = next(fact for fact in map(json.loads, out.splitlines()) if fact["event"] == "stopped")
    assert stopped == {"event": "stopped", "error": sentence, "exit_code": 130}
    assert shop.files() == before


def test_a_process_tells_results_and_errors_apart(shop: Workshop, clip: Path) -> None:
    said = shop.process("render", str(clip), "missing.mp4", "--model", "toy.onnx")
    assert (said.code, said.sentence) == (3, "missing.mp4 does not exist: name a video, a photo or a folder of either")
    said = shop.process("render", str(clip), "--model", "toy.onnx", "--json")
    assert (said.code, said.err) == (0, "")
    assert said.facts[-1]["frames"] == 15
