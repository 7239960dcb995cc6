"""``livebg render`` on single files: all modes, output paths and messages."""

import os
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from tests.support.cli_runner import LivebgCli
from tests.support.decoding import luma_of, pictures_of, stamps_of
from tests.support.media import Clip, stamped
from tests.support.photos import save_photo
from tests.support.recordings import Recording, frame_times, packets_of, record

SIZE = (64, 48)


def blocks_of(number: int) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Returns the dark and the bright pixels of a number stamp, well inside its blocks."""
    luma = stamped(number, *SIZE)
    inside = np.ones(luma.shape, bool)
    for axis in (0, 1):
        for shift in range(-6, 7):
            inside &= np.roll(luma, shift, axis) == luma
    return inside & (luma == 50), inside & (luma == 200)


def test_video_output_is_beside_input_with_summary(cli: LivebgCli, clip: Path) -> None:
    result = cli.render(str(clip))
    assert (result.code, result.out) == (0, "")
    assert result.err.startswith("video.portrait.mp4: 15 frames in ")
    assert result.err.endswith(" fps, toy at 224x160 on CPUExecutionProvider\n")
    assert cli.files() == {"video.mp4", "video.portrait.mp4"}
    assert frame_times(cli.folder / "video.portrait.mp4") == [Fraction(number, 25) for number in range(15)]
    assert packets_of(cli.folder / "video.portrait.mp4", "audio") == packets_of(cli.folder / "video.mp4", "audio")


@pytest.mark.parametrize("mode", ["portrait", "greenscreen", "background", "none"])
def test_video_in_visible_mode_keeps_the_person(mode: str, cli: LivebgCli, clip: Path) -> None:
    assert cli.render(str(clip), "--mode", mode, "--crf", "5").code == 0
    pictures = pictures_of(f"video.{mode}.mp4")
    assert len(pictures) == 15
    dark, bright = blocks_of(9)
    rgb = pictures[9].to_ndarray(format="rgb24").astype(int)
    assert np.abs(luma_of(pictures[9])[bright].astype(int) - 200).max() <= 3
    expected = {"greenscreen": (0, 255, 0), "background": (0x20, 0x40, 0x60), "none": (40, 40, 40)}
    if mode in expected:
        assert np.abs(rgb[dark] - expected[mode]).max() <= 8


def test_matte_video_has_black_room_and_white_person(cli: LivebgCli, clip: Path) -> None:
    assert cli.render(str(clip), "--mode", "matte").code == 0
    assert stamps_of("video.matte.mp4") == list(range(15))
    dark, bright = blocks_of(9)
    luma = luma_of(pictures_of("video.matte.mp4")[9])
    assert (luma[dark].max(), luma[bright].min()) == (0, 255)


@pytest.mark.parametrize(("ending", "codec", "pix_fmt"), [("mov", "prores", "yuva444p10le"), ("webm", "libvpx-vp9", "yuva420p")])
def test_cutout_video_has_transparent_room(ending: str, codec: str, pix_fmt: str, cli: LivebgCli, clip: Path) -> None:
    result = cli.render(str(clip), "--mode", "cutout", "-o", f"person.{ending}", "--drop-streams")
    assert result.code == 0
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


def test_note_about_other_container_is_one_line(cli: LivebgCli) -> None:
    Clip(count=3, codec="mpeg4").write(cli.folder / "video.avi")
    result = cli.render("video.avi")
    assert result.err.splitlines()[0] == "video.avi: written as mkv, which supports any timing"
    assert len(pictures_of("video.portrait.mkv")) == 3


def test_output_can_be_file_or_folder(cli: LivebgCli, clip: Path) -> None:
    (cli.folder / "out").mkdir()
    assert cli.render(str(clip), "-o", "out").code == 0
    assert cli.render(str(clip), "--output", "out/other.mkv").code == 0
    assert cli.files() == {"video.mp4", "out", "out/video.portrait.mp4", "out/other.mkv"}


@pytest.mark.usefixtures("clip", "photo")
@pytest.mark.parametrize("extra", [(), ("--overwrite",)])
@pytest.mark.parametrize("link", [None, os.symlink, os.link])
@pytest.mark.parametrize("name", ["video.mp4", "photo.png"])
def test_input_is_never_overwritten(name: str, link: object, extra: tuple[str, ...], cli: LivebgCli) -> None:
    before = (cli.folder / name).read_bytes()
    output = name if link is None else f"link-{name}"
    if callable(link):
        link(cli.folder / name, cli.folder / output)
    result = cli.render(name, "-o", output, *extra)
    assert result.code == 4
    assert result.error_line.startswith(f"The output {output} ")
    if extra:
        assert result.error_line.endswith("is the input itself, which is never overwritten. Choose another output.")
    assert (cli.folder / name).read_bytes() == before
    assert cli.files() <= {"video.mp4", "photo.png", output}


@pytest.mark.usefixtures("clip", "photo")
@pytest.mark.parametrize("name", ["video.mp4", "photo.png"])
def test_existing_output_requires_overwrite(name: str, cli: LivebgCli) -> None:
    output = cli.folder / name.replace(".", ".portrait.")
    output.write_text("mine")
    result = cli.render(name)
    assert result.code == 4
    assert result.error_line == f"The output {output.name} already exists. Choose another output, or use --overwrite."
    assert output.read_text() == "mine"
    assert cli.render(name, "--overwrite").code == 0
    assert output.stat().st_size > 100


def test_missing_output_folder_is_not_created(cli: LivebgCli, clip: Path) -> None:
    result = cli.render(str(clip), "-o", "new/video.mp4")
    assert (result.code, result.error_line) == (4, "The output folder new does not exist. Create it first, or name another one.")
    assert cli.files() == {"video.mp4"}


def test_json_output_has_started_and_done_events(cli: LivebgCli, clip: Path) -> None:
    result = cli.render(str(clip), "--json")
    assert (result.code, result.err) == (0, "")
    assert [fact["event"] for fact in result.json_lines][:2] == ["started", "progress"]
    assert result.json_lines[0] == {
        "event": "started",
        "input": "video.mp4",
        "output": "video.portrait.mp4",
        "total": 15,
        "resumed": 0,
        "note": "",
    }
    done = result.json_lines[-1]
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


def test_json_of_mode_none_has_no_model(cli: LivebgCli, photo: Path) -> None:
    last = cli.livebg("render", str(photo), "--mode", "none", "--json", "--model", "missing.onnx").json_lines[-1]
    assert (last["frames"], last["model"], last["provider"], last["input_size"]) == (1, None, None, None)


def test_quiet_prints_only_errors(cli: LivebgCli, clip: Path, photo: Path) -> None:
    result = cli.render(str(clip), str(photo), "--quiet")
    assert (result.code, result.out, result.err) == (0, "", "")
    assert cli.render(str(photo), "-q").error_line.startswith("The output photo.portrait.png already exists")


@pytest.mark.parametrize("name", ["[red]a[b].png", ":smile:.png", "Grüße & – 猫.png", "-dash.png", "it's.png", "a\\[b].png"])
def test_file_names_are_printed_verbatim(name: str, cli: LivebgCli) -> None:
    save_photo(cli.folder / name)
    output = name.replace(".png", ".portrait.png")
    result = cli.render("--model", "toy.onnx", "--", name)
    assert result.code == 0
    assert result.err.startswith(f"{output}: 1 frame in ")
    facts = cli.render("--json", "--overwrite", "--model", "toy.onnx", "--", name).json_lines
    assert facts[-1]["output"] == output
    assert f"livebg: The output {output} already exists" in cli.render("--model", "toy.onnx", "--", name).err


def test_streams_are_dropped_only_on_request(cli: LivebgCli) -> None:
    record(cli.folder / "talk.mkv", Recording(seconds=1, font=b"a font"))
    result = cli.render("talk.mkv", "-o", "talk.mp4")
    assert result.code == 4
    assert "--drop-streams" in result.error_line
    assert cli.files() == {"talk.mkv"}
    result = cli.render("talk.mkv", "-o", "talk.mp4", "--drop-streams")
    assert result.code == 0
    assert len(packets_of(cli.folder / "talk.mp4", "audio")) == len(packets_of(cli.folder / "talk.mkv", "audio")) > 0


def test_data_is_dropped_unless_it_is_to_be_kept(cli: LivebgCli) -> None:
    record(cli.folder / "talk.ts", Recording(seconds=1, data="klv"))
    command = ("talk.ts", "-o", "talk.mkv", "--mode", "none")
    result = cli.render(*command, "--keep-streams")
    assert result.code == 4
    assert "data stream 2 (klv) is not supported by Matroska" in result.error_line
    assert cli.files() == {"talk.ts"}
    assert cli.render(*command, "--keep-streams", "--drop-streams").code == 2
    result = cli.render(*command)
    assert result.code == 0
    assert result.err.count("dropped: data stream 2 (klv), not supported by Matroska") == 1


def test_inputs_are_opened_before_model(cli: LivebgCli, photo: Path) -> None:
    (cli.folder / "bad.mp4").write_text("no video")
    (cli.folder / "bad.png").write_text("no photo")
    for name in ("bad.mp4", "bad.png"):
        assert cli.render(name, "--model", "missing.onnx").code == 3
    result = cli.render(str(photo), "--model", "missing.onnx")
    assert result.code == 5
    assert result.error_line.startswith(
        "The model file missing.onnx does not exist. Give the path of an .onnx file, or one of livebg-u2"
    )


def test_help_and_version(cli: LivebgCli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    assert cli.livebg("--version").out.startswith("livebg 0.")
    for option in ("--mode", "--background", "--blur", "--drop-streams", "--json", "default portrait", "default libx264"):
        assert option in " ".join(cli.livebg("render", "--help").out.replace("│", "").split()), option
    assert cli.livebg("render").code == 2


def test_process_separates_results_and_errors(cli: LivebgCli, clip: Path) -> None:
    result = cli.process("render", str(clip), "missing.mp4", "--model", "toy.onnx")
    assert (result.code, result.error_line) == (3, "missing.mp4 does not exist. Name a video, a photo or a folder.")
    result = cli.process("render", str(clip), "--model", "toy.onnx", "--json")
    assert (result.code, result.err) == (0, "")
    assert result.json_lines[-1]["frames"] == 15
