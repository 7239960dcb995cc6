"""``livebg render`` on several files: folders, parallel jobs, damaged files among good ones, and stopping."""

import json
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pillow_heif
import pytest
from PIL import Image

from tests.support.cli_runner import Workshop
from tests.support.invalid_files import without_root_rights
from tests.support.media import Clip, stamped_picture
from tests.support.photos import save_photo


@pytest.fixture
def mixed(shop: Workshop) -> Path:
    """``in``: a video, two photos with the same default cutout name, a subfolder with a video, and one damaged file in each."""
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
        "livebg: in/bad.mp4 cannot be read as a video. Check that it is a complete video file.",
        "livebg: in/broken/bad.jpg is not a readable photo. Use JPEG, PNG, WebP, TIFF, BMP, AVIF, HEIC or JPEG 2000.",
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
    assert again.err.count("already exists") == 4
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
        assert (said.code, said.sentence) == (5, "bad.onnx is not an ONNX network or is damaged. Download or copy it again.")
    assert shop.files() == before


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


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--codec", "h26x"), "This libav has no encoder 'h26x'. Choose for example libx264"),
        (("--codec", "aac"), "The codec 'aac' does not encode 8-bit 4:2:0 video"),
        (("--crf", "60"), "CRF 60 is outside the range 0 to 51 of the codec libx264"),
        (("--crf", "-1"), "Invalid value -1.0 for render.crf (from the command line). It should be greater than or equal to 0."),
        (("--preset", "fats"), "Invalid value 'fats' for render.preset (from the command line). It should be 'ultrafast'"),
        (("--input-size", "3x"), "Invalid value '3x' for model.input_size (from the command line). '3x' is not a size."),
        (("--codec", "prores_ks"), "The codec 'prores_ks' does not encode 8-bit 4:2:0 video"),
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
    ("number", "arguments", "sentence"),
    [
        (signal.SIGINT, ("in/long.mp4",), "Stopped. The unfinished in/long.portrait.mp4 was removed."),
        (signal.SIGTERM, ("in/long.mp4",), "Stopped. The unfinished in/long.portrait.mp4 was removed."),
        (signal.SIGINT, ("in", "--jobs", "2"), "Stopped after 0 of 3 files. Unfinished outputs were removed."),
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
    # Handle Ctrl-C as in a terminal: a shell makes the background processes of a script ignore it.
    livebg = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); from livebg.cli import main; main()"
    command = [sys.executable, "-c", livebg, "render", *arguments, "--model", "toy.onnx", "--preset", "slower", "--json"]
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


KINDS = {
    "a.3g2": Clip(count=3, codec="mpeg4"),
    "a.apng": Clip(count=3, codec="apng", pix_fmt="rgb24", picture=lambda *args: stamped_picture(*args).reformat(format="rgb24")),
    "a.asf": Clip(count=3, codec="msmpeg4v3"),
    "a.dv": Clip(count=3, width=720, height=576, codec="dvvideo"),
    "a.mxf": Clip(count=3, codec="mpeg2video"),
    "a.vob": Clip(count=3, codec="mpeg2video"),
    "a.y4m": Clip(count=3, codec="wrapped_avframe"),
}


@pytest.mark.parametrize("name", KINDS)
def test_a_folder_includes_rare_kinds_of_videos(name: str, shop: Workshop) -> None:
    (shop.folder / "in").mkdir()
    before = KINDS[name].write(shop.folder / "in" / name).read_bytes()
    done = shop.render("in", "--mode", "greenscreen", "--json")
    assert done.code == 0, done.err
    assert [fact["frames"] for fact in done.facts if fact["event"] == "done"] == [3]
    assert (shop.folder / "in" / name).read_bytes() == before
    assert shop.files() == {"in", f"in/{name}", "in/a.greenscreen.mkv"}


def test_a_folder_includes_photos_that_are_only_read(shop: Workshop) -> None:
    (shop.folder / "in").mkdir()
    image = Image.fromarray(save_photo(shop.folder / "in" / "plain.png"))
    image.save(shop.folder / "in" / "stereo.mpo", save_all=True, append_images=[image])
    image.save(shop.folder / "in" / "scan.jp2")
    pillow_heif.from_pillow(image).save(shop.folder / "in" / "phone.HEIC", format="HEIF")
    before = shop.files()
    assert shop.render("in").code == 0
    names = ("phone.portrait.jpg", "plain.portrait.png", "scan.portrait.jpg", "stereo.portrait.jpg")
    assert shop.files() - before == {f"in/{name}" for name in names}


def test_files_in_other_formats_are_listed_in_one_line(shop: Workshop) -> None:
    (shop.folder / "in" / "sub").mkdir(parents=True)
    save_photo(shop.folder / "in" / "photo.jpg")
    for name in ("photo.jxl", "photo.xmp", ".hidden", "sub/voice.wav", "sub/[b]page.psd"):
        (shop.folder / "in" / name).touch()
    done = shop.render("in")
    assert done.code == 0
    listed = "in/photo.jxl, in/photo.xmp, in/sub/[b]page.psd, in/sub/voice.wav"
    assert [line for line in done.err.splitlines() if "kipped" in line] == [f"Skipped 4 files in other formats: {listed}"]
    again = shop.render("in", "--overwrite", "--json")
    assert again.facts[0] == {"event": "skipped", "files": listed.split(", ")}
    assert shop.render("in", "--overwrite", "--quiet").err == ""


def test_many_files_in_other_formats_are_counted(shop: Workshop) -> None:
    (shop.folder / "in").mkdir()
    save_photo(shop.folder / "in" / "photo.jpg")
    for number in range(30):
        (shop.folder / "in" / f"{number:02}.txt").touch()
    line = next(line for line in shop.render("in").err.splitlines() if line.startswith("Skipped"))
    assert line.startswith("Skipped 30 files in other formats: in/00.txt, ")
    assert line.endswith("in/09.txt and 20 more")


def test_an_unreadable_folder_is_reported_and_the_rest_is_rendered(shop: Workshop) -> None:
    """Below the input, deeper below it, and as an input beside others."""
    prefix = without_root_rights()
    shut = ("in/shut", "in/open/shut", "other")
    for name in shut:
        (shop.folder / name).mkdir(parents=True)
        (shop.folder / name).chmod(0)
    save_photo(shop.folder / "in" / "photo.png")
    save_photo(shop.folder / "in" / "open" / "photo.png")
    before = {name: (shop.folder / name).read_bytes() for name in ("in/photo.png", "in/open/photo.png")}
    done = shop.process("render", "in", "other", "--model", "toy.onnx", prefix=prefix)
    assert done.code == 3
    assert [line for line in done.err.splitlines() if line.startswith("livebg:")] == [
        f"livebg: The folder {name} cannot be read (Permission denied). Change its permissions or leave it out."
        for name in ("in/open/shut", "in/shut", "other")
    ]
    for name in shut:
        (shop.folder / name).chmod(0o700)
    assert shop.files() == {*shut, "in", "in/open", *before, "in/photo.portrait.png", "in/open/photo.portrait.png"}
    assert {name: (shop.folder / name).read_bytes() for name in before} == before


@pytest.mark.parametrize("letter", ["a", "\u00e4", "\U0001f600"])
def test_an_output_name_that_is_too_long_is_reported_and_the_rest_is_rendered(letter: str, shop: Workshop) -> None:
    """Names of 251 to 255 bytes, in letters of one, two and four bytes."""
    (shop.folder / "in").mkdir()
    save_photo(shop.folder / "in" / "short.png")
    name = letter * (250 // len(letter.encode())) + ".png"
    save_photo(shop.folder / "in" / name)
    clip = Clip(count=2).write(shop.folder / "in" / f"{name.removesuffix('.png')}.mp4")
    before = shop.files()
    done = shop.render("in", "--mode", "greenscreen")
    assert done.code == 4
    refused = [line for line in done.err.splitlines() if line.startswith("livebg:")]
    assert len(refused) == 2
    assert refused[1].endswith("bytes, and the limit is 255. Render this file alone and choose a shorter name with -o.")
    assert shop.files() - before == {"in/short.greenscreen.png"}
    assert shop.render(f"in/{name}", "-o", "in/out.png").code == 0
    assert shop.render(str(clip), "-o", f"in/{'b' * 251}.mp4").code == 0
    assert shop.files() - before == {"in/short.greenscreen.png", "in/out.png", f"in/{'b' * 251}.mp4"}


@pytest.mark.parametrize("name", ["b" * 252 + ".mp4", "b" * 300 + ".mp4", "c" * 300 + "/b.mp4"])
def test_an_output_argument_that_is_too_long_is_one_sentence(name: str, shop: Workshop, clip: Path) -> None:
    before = shop.files()
    done = shop.render(str(clip), "-o", name)
    assert done.code == 4
    assert done.sentence == f"Cannot write {name}: file name too long. Choose a shorter name."
    assert shop.files() == before


def test_an_input_name_that_is_too_long_is_one_sentence(shop: Workshop) -> None:
    done = shop.render("b" * 300 + ".mp4")
    assert done.code == 3
    assert done.sentence.endswith(".mp4 cannot be opened (file name too long). Name a video, a photo or a folder.")


@pytest.mark.parametrize("option", ["--background", "--config", "--model"])
def test_an_option_with_a_name_that_is_too_long_is_one_sentence(option: str, shop: Workshop, clip: Path) -> None:
    before = shop.files()
    done = shop.render(str(clip), option, "b" * 300 + ".bin")
    assert done.code in (2, 5)
    assert "b" * 300 in done.sentence
    assert shop.files() == before
