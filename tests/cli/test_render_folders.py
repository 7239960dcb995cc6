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

from tests.support.cli_runner import LivebgCli, render_error
from tests.support.invalid_files import without_root_rights
from tests.support.media import Clip, stamped_picture
from tests.support.photos import save_photo


@pytest.fixture
def mixed(cli: LivebgCli) -> Path:
    """``in``: a video, two photos with the same default cutout name, a subfolder with a video, and one damaged file in each."""
    folder = cli.folder / "in"
    (folder / "sub").mkdir(parents=True)
    (folder / "broken").mkdir()
    Clip(count=4).write(folder / "video.mp4")
    Clip(count=5).write(folder / "sub" / "video.mp4")
    save_photo(folder / "astro.jpg")
    save_photo(folder / "astro.png")
    (folder / "bad.mp4").write_text("no video")
    (folder / "broken" / "bad.jpg").write_text("no photo")
    return Path("in")


def test_folder_continues_after_bad_file_and_keeps_subfolders(cli: LivebgCli, mixed: Path) -> None:
    (cli.folder / "out").mkdir()
    before = cli.files()
    result = cli.render(str(mixed), "-o", "out", "--mode", "cutout")
    assert result.code == 3
    assert [line for line in result.err.splitlines() if line.startswith("livebg:")] == [
        "livebg: in/bad.mp4 cannot be read as a video. Check that it is a complete video file.",
        "livebg: in/broken/bad.jpg is not a readable photo. Use JPEG, PNG, WebP, TIFF, BMP, AVIF, HEIC or JPEG 2000.",
    ]
    assert cli.files() - before == {
        "out/astro.jpg.cutout.png",
        "out/astro.png.cutout.png",
        "out/video.cutout.mov",
        "out/sub",
        "out/sub/video.cutout.mov",
    }


def test_second_run_over_folder_uses_same_inputs(cli: LivebgCli, mixed: Path) -> None:
    assert cli.render(str(mixed), "--mode", "cutout").code == 3
    first = cli.files()
    again = cli.render(str(mixed), "--mode", "cutout")
    assert again.code == 4
    assert again.err.count("already exists") == 4
    assert cli.render(str(mixed), "--mode", "cutout", "--overwrite").code == 3
    assert cli.files() == first


def test_exit_code_is_highest_of_all_files(cli: LivebgCli, clip: Path, photo: Path) -> None:
    (cli.folder / "bad.mp4").write_text("no video")
    (cli.folder / "photo.portrait.png").touch()
    assert cli.render(str(clip), "bad.mp4").code == 3
    result = cli.render(str(clip), "bad.mp4", str(photo), "--overwrite", "--end", "0.1")
    assert result.code == 3
    result = cli.render("bad.mp4", str(clip), str(photo))
    assert result.code == 4
    assert result.err.count("livebg:") == 2 + 1


def test_one_and_two_jobs_give_same_bytes(cli: LivebgCli, mixed: Path) -> None:
    results = []
    for jobs in ("1", "2"):
        out = cli.folder / f"out{jobs}"
        out.mkdir()
        assert cli.render(str(mixed), "-o", out.name, "--jobs", jobs).code == 3
        results.append({str(path.relative_to(out)): path.read_bytes() for path in out.rglob("*") if path.is_file()})
    assert len(results[0]) == 4
    assert results[0] == results[1]


@pytest.mark.usefixtures("mixed")
def test_unloadable_network_is_reported_once(cli: LivebgCli) -> None:
    (cli.folder / "bad.onnx").write_text("no network")
    before = cli.files()
    for jobs in ("1", "3"):
        result = cli.render("in/sub", "in/astro.jpg", "in/astro.png", "in/video.mp4", "--model", "bad.onnx", "--jobs", jobs)
        assert (result.code, result.error_line) == (
            5,
            "bad.onnx is not an ONNX network or is damaged. Download or copy it again.",
        )
    assert cli.files() == before


def test_json_of_folder_ends_with_summary(cli: LivebgCli, mixed: Path) -> None:
    result = cli.render(str(mixed), "--json")
    assert result.code == 3
    errors = [fact for fact in result.json_lines if fact["event"] == "error"]
    assert [(fact["input"], fact["exit_code"]) for fact in errors] == [("in/bad.mp4", 3), ("in/broken/bad.jpg", 3)]
    last = result.json_lines[-1]
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
def test_invalid_options_are_reported_once_before_rendering(
    options: Sequence[str], words: str, cli: LivebgCli, mixed: Path
) -> None:
    before = cli.files()
    result = cli.render(str(mixed), *options)
    assert result.code == 2
    assert result.error_line.startswith(words)
    assert cli.files() == before


@pytest.mark.parametrize(
    ("number", "arguments", "sentence"),
    [
        (signal.SIGINT, ("in/long.mp4",), "Stopped. The unfinished in/long.portrait.mp4 was removed."),
        (signal.SIGTERM, ("in/long.mp4",), "Stopped. The unfinished in/long.portrait.mp4 was removed."),
        (signal.SIGINT, ("in", "--jobs", "2"), "Stopped after 0 of 3 files. Unfinished outputs were removed."),
    ],
)
def test_stopping_removes_unfinished_outputs_and_reports_it(
    number: signal.Signals, arguments: Sequence[str], sentence: str, cli: LivebgCli
) -> None:
    (cli.folder / "in").mkdir()
    Clip(count=190, width=400, height=304).write(cli.folder / "in" / "long.mp4")  # one segment, which is not kept
    for name in ("longer.mp4", "longest.mp4"):
        (cli.folder / "in" / name).write_bytes((cli.folder / "in" / "long.mp4").read_bytes())
    before = cli.files()
    # Handle Ctrl-C as in a terminal: a shell makes the background processes of a script ignore it.
    livebg = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); from livebg.cli import main; main()"
    command = [sys.executable, "-c", livebg, "render", *arguments, "--model", "toy.onnx", "--preset", "slower", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if json.loads(line)["event"] == "progress":
                break
        during = cli.files()
        process.send_signal(number)
        out, err = process.communicate(timeout=30)
    assert any(name.endswith(".part") for name in during)
    assert (process.returncode, err) == (130, f"livebg: {sentence}\n")
    stopped = next(fact for fact in map(json.loads, out.splitlines()) if fact["event"] == "stopped")
    assert stopped == {"event": "stopped", "error": sentence, "exit_code": 130}
    assert cli.files() == before


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
def test_a_folder_includes_rare_kinds_of_videos(name: str, cli: LivebgCli) -> None:
    (cli.folder / "in").mkdir()
    before = KINDS[name].write(cli.folder / "in" / name).read_bytes()
    done = cli.render("in", "--mode", "greenscreen", "--json")
    assert done.code == 0, done.err
    assert [fact["frames"] for fact in done.json_lines if fact["event"] == "done"] == [3]
    assert (cli.folder / "in" / name).read_bytes() == before
    assert cli.files() == {"in", f"in/{name}", "in/a.greenscreen.mkv"}


def test_a_folder_includes_photos_that_are_only_read(cli: LivebgCli) -> None:
    (cli.folder / "in").mkdir()
    image = Image.fromarray(save_photo(cli.folder / "in" / "plain.png"))
    image.save(cli.folder / "in" / "stereo.mpo", save_all=True, append_images=[image])
    image.save(cli.folder / "in" / "scan.jp2")
    pillow_heif.from_pillow(image).save(cli.folder / "in" / "phone.HEIC", format="HEIF")
    before = cli.files()
    assert cli.render("in").code == 0
    names = ("phone.portrait.jpg", "plain.portrait.png", "scan.portrait.jpg", "stereo.portrait.jpg")
    assert cli.files() - before == {f"in/{name}" for name in names}


def test_files_in_other_formats_are_listed_in_one_line(cli: LivebgCli) -> None:
    (cli.folder / "in" / "sub").mkdir(parents=True)
    save_photo(cli.folder / "in" / "photo.jpg")
    for name in ("photo.jxl", "photo.xmp", ".hidden", "sub/voice.wav", "sub/[b]page.psd"):
        (cli.folder / "in" / name).touch()
    done = cli.render("in")
    assert done.code == 0
    listed = "in/photo.jxl, in/photo.xmp, in/sub/[b]page.psd, in/sub/voice.wav"
    assert [line for line in done.err.splitlines() if "kipped" in line] == [f"Skipped 4 files in other formats: {listed}"]
    again = cli.render("in", "--overwrite", "--json")
    assert again.json_lines[0] == {"event": "skipped", "files": listed.split(", ")}
    assert cli.render("in", "--overwrite", "--quiet").err == ""


def test_many_files_in_other_formats_are_counted(cli: LivebgCli) -> None:
    (cli.folder / "in").mkdir()
    save_photo(cli.folder / "in" / "photo.jpg")
    for number in range(30):
        (cli.folder / "in" / f"{number:02}.txt").touch()
    line = next(line for line in cli.render("in").err.splitlines() if line.startswith("Skipped"))
    assert line.startswith("Skipped 30 files in other formats: in/00.txt, ")
    assert line.endswith("in/09.txt and 20 more")


def test_an_unreadable_folder_is_reported_and_the_rest_is_rendered(cli: LivebgCli) -> None:
    """Below the input, deeper below it, and as an input beside others."""
    prefix = without_root_rights()
    shut = ("in/shut", "in/open/shut", "other")
    for name in shut:
        (cli.folder / name).mkdir(parents=True)
        (cli.folder / name).chmod(0)
    save_photo(cli.folder / "in" / "photo.png")
    save_photo(cli.folder / "in" / "open" / "photo.png")
    before = {name: (cli.folder / name).read_bytes() for name in ("in/photo.png", "in/open/photo.png")}
    done = cli.process("render", "in", "other", "--model", "toy.onnx", prefix=prefix)
    assert done.code == 3
    assert [line for line in done.err.splitlines() if line.startswith("livebg:")] == [
        f"livebg: The folder {name} cannot be read (Permission denied). Change its permissions or leave it out."
        for name in ("in/open/shut", "in/shut", "other")
    ]
    for name in shut:
        (cli.folder / name).chmod(0o700)
    assert cli.files() == {*shut, "in", "in/open", *before, "in/photo.portrait.png", "in/open/photo.portrait.png"}
    assert {name: (cli.folder / name).read_bytes() for name in before} == before


@pytest.mark.parametrize("letter", ["a", "\u00e4", "\U0001f600"])
def test_an_output_name_that_is_too_long_is_reported_and_the_rest_is_rendered(letter: str, cli: LivebgCli) -> None:
    """Names of 251 to 255 bytes, in letters of one, two and four bytes."""
    (cli.folder / "in").mkdir()
    save_photo(cli.folder / "in" / "short.png")
    name = letter * (250 // len(letter.encode())) + ".png"
    save_photo(cli.folder / "in" / name)
    clip = Clip(count=2).write(cli.folder / "in" / f"{name.removesuffix('.png')}.mp4")
    before = cli.files()
    done = cli.render("in", "--mode", "greenscreen")
    assert done.code == 4
    refused = [line for line in done.err.splitlines() if line.startswith("livebg:")]
    assert len(refused) == 2
    assert refused[1].endswith("bytes, and the limit is 255. Render this file alone and choose a shorter name with -o.")
    assert cli.files() - before == {"in/short.greenscreen.png"}
    assert cli.render(f"in/{name}", "-o", "in/out.png").code == 0
    assert cli.render(str(clip), "-o", f"in/{'b' * 251}.mp4").code == 0
    assert cli.files() - before == {"in/short.greenscreen.png", "in/out.png", f"in/{'b' * 251}.mp4"}


@pytest.mark.parametrize("name", ["b" * 252 + ".mp4", "b" * 300 + ".mp4", "c" * 300 + "/b.mp4"])
def test_an_output_argument_that_is_too_long_is_one_sentence(name: str, cli: LivebgCli, clip: Path) -> None:
    before = cli.files()
    done = cli.render(str(clip), "-o", name)
    assert done.code == 4
    assert done.error_line == f"Cannot write {name}: file name too long. Choose a shorter name."
    assert cli.files() == before


@pytest.mark.parametrize("options", [("--keep-matte",), ("--also", f"matte={'b' * 300}.mkv")])
def test_another_output_name_that_is_too_long_is_one_sentence(options: Sequence[str], cli: LivebgCli, clip: Path) -> None:
    message = render_error(cli, 4, str(clip), "-o", "b" * 250 + ".mp4", *options)
    assert message.endswith(".mkv: file name too long. Choose a shorter name.")


def test_a_matte_name_that_is_too_long_is_one_sentence(cli: LivebgCli, clip: Path) -> None:
    done = cli.livebg("render", str(clip), "--matte", "b" * 300 + ".mkv")
    assert (done.code, done.error_line) == (3, f"{'b' * 300}.mkv does not exist. Give the path of a video file.")


def test_an_input_name_that_is_too_long_is_one_sentence(cli: LivebgCli) -> None:
    done = cli.render("b" * 300 + ".mp4")
    assert done.code == 3
    assert done.error_line.endswith(".mp4 cannot be opened (file name too long). Name a video, a photo or a folder.")


@pytest.mark.parametrize("option", ["--background", "--config", "--model"])
def test_an_option_with_a_name_that_is_too_long_is_one_sentence(option: str, cli: LivebgCli, clip: Path) -> None:
    before = cli.files()
    done = cli.render(str(clip), option, "b" * 300 + ".bin")
    assert done.code in (2, 5)
    assert "b" * 300 in done.error_line
    assert cli.files() == before
