"""``livebg render`` on single files: all modes, output paths and messages."""

import os
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from tests.support.cli_runner import Workshop
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
    assert said.err.splitlines()[0] == "video.avi: written as mkv, which supports any timing and audio codec"
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
    assert said.sentence.startswith(f"The output {output} ")
    if extra:
        assert said.sentence.endswith("is the input itself, which is never overwritten. Choose another output.")
    assert (shop.folder / name).read_bytes() == before
    assert shop.files() <= {"video.mp4", "photo.png", output}


@pytest.mark.usefixtures("clip", "photo")
@pytest.mark.parametrize("name", ["video.mp4", "photo.png"])
def test_an_output_that_exists_needs_overwrite(name: str, shop: Workshop) -> None:
    output = shop.folder / name.replace(".", ".portrait.")
    output.write_text("mine")
    said = shop.render(name)
    assert said.code == 4
    assert said.sentence == f"The output {output.name} already exists. Choose another output, or use --overwrite."
    assert output.read_text() == "mine"
    assert shop.render(name, "--overwrite").code == 0
    assert output.stat().st_size > 100


def test_a_missing_output_folder_is_not_made(shop: Workshop, clip: Path) -> None:
    said = shop.render(str(clip), "-o", "new/video.mp4")
    assert (said.code, said.sentence) == (4, "The output folder new does not exist. Create it first, or name another one.")
    assert shop.files() == {"video.mp4"}


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


def test_json_of_mode_none_knows_no_network(shop: Workshop, photo: Path) -> None:
    last = shop.livebg("render", str(photo), "--mode", "none", "--json", "--model", "missing.onnx").facts[-1]
    assert (last["frames"], last["model"], last["provider"], last["input_size"]) == (1, None, None, None)


def test_quiet_says_nothing_but_errors(shop: Workshop, clip: Path, photo: Path) -> None:
    said = shop.render(str(clip), str(photo), "--quiet")
    assert (said.code, said.out, said.err) == (0, "", "")
    assert shop.render(str(photo), "-q").sentence.startswith("The output photo.portrait.png already exists")


@pytest.mark.parametrize("name", ["[red]a[b].png", ":smile:.png", "Grüße & – 猫.png", "-dash.png", "it's.png", "a\\[b].png"])
def test_names_are_said_as_they_are(name: str, shop: Workshop) -> None:
    save_photo(shop.folder / name)
    output = name.replace(".png", ".portrait.png")
    said = shop.render("--model", "toy.onnx", "--", name)
    assert said.code == 0
    assert said.err.startswith(f"{output}: 1 frame in ")
    facts = shop.render("--json", "--overwrite", "--model", "toy.onnx", "--", name).facts
    assert facts[-1]["output"] == output
    assert f"livebg: The output {output} already exists" in shop.render("--model", "toy.onnx", "--", name).err


def test_streams_are_dropped_only_when_that_is_said(shop: Workshop) -> None:
    record(shop.folder / "talk.mkv", Recording(seconds=1, font=b"a font"))
    said = shop.render("talk.mkv", "-o", "talk.mp4")
    assert said.code == 4
    assert "--drop-streams" in said.sentence
    assert shop.files() == {"talk.mkv"}
    said = shop.render("talk.mkv", "-o", "talk.mp4", "--drop-streams")
    assert said.code == 0
    assert len(packets_of(shop.folder / "talk.mp4", "audio")) == len(packets_of(shop.folder / "talk.mkv", "audio")) > 0


def test_data_is_dropped_unless_it_is_to_be_kept(shop: Workshop) -> None:
    record(shop.folder / "talk.ts", Recording(seconds=1, data="klv"))
    command = ("talk.ts", "-o", "talk.mkv", "--mode", "none")
    said = shop.render(*command, "--keep-streams")
    assert said.code == 4
    assert "data stream 2 (klv) is not supported by Matroska" in said.sentence
    assert shop.files() == {"talk.ts"}
    assert shop.render(*command, "--keep-streams", "--drop-streams").code == 2
    said = shop.render(*command)
    assert said.code == 0
    assert said.err.count("dropped: data stream 2 (klv), not supported by Matroska") == 1


def test_inputs_are_opened_before_the_model_is(shop: Workshop, photo: Path) -> None:
    (shop.folder / "bad.mp4").write_text("no video")
    (shop.folder / "bad.png").write_text("no photo")
    for name in ("bad.mp4", "bad.png"):
        assert shop.render(name, "--model", "missing.onnx").code == 3
    said = shop.render(str(photo), "--model", "missing.onnx")
    assert said.code == 5
    assert said.sentence.startswith(
        "The model file missing.onnx does not exist. Give the path of an .onnx file, or one of livebg-u2"
    )


def test_help_and_version(shop: Workshop) -> None:
    assert shop.livebg("--version").out.startswith("livebg 0.")
    for option in ("--mode", "--background", "--blur", "--drop-streams", "--json", "default portrait", "default libx264"):
        assert option in " ".join(shop.livebg("render", "--help").out.replace("│", "").split()), option
    assert shop.livebg("render").code == 2


def test_a_process_tells_results_and_errors_apart(shop: Workshop, clip: Path) -> None:
    said = shop.process("render", str(clip), "missing.mp4", "--model", "toy.onnx")
    assert (said.code, said.sentence) == (3, "missing.mp4 does not exist. Name a video, a photo or a folder.")
    said = shop.process("render", str(clip), "--model", "toy.onnx", "--json")
    assert (said.code, said.err) == (0, "")
    assert said.facts[-1]["frames"] == 15
