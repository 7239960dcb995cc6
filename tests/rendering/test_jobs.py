"""The output paths of render jobs."""

from collections.abc import Callable
from pathlib import Path

import pytest

from livebg.errors import ConfigError, SinkError, SourceError
from livebg.rendering.jobs import Job, plan_jobs

Make = Callable[..., Path]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def make(here: Path) -> Make:
    """Create empty files by name; a name that ends in / is a folder."""

    def make(*names: str) -> Path:
        for name in names:
            path = here / name
            (path if name.endswith("/") else path.parent).mkdir(parents=True, exist_ok=True)
            if not name.endswith("/"):
                path.touch()
        return Path(names[0])

    return make


def planned(inputs: list[str], output: str | None = None, mode: str = "portrait") -> dict[str, str]:
    jobs = plan_jobs([Path(each) for each in inputs], None if output is None else Path(output), mode).jobs
    assert len({job.input for job in jobs}) == len(jobs)
    return {str(job.input): str(job.output) for job in jobs}


@pytest.mark.parametrize(
    ("name", "mode", "output"),
    [
        ("video.mp4", "matte", "video.matte.mp4"),
        ("photo.jpg", "portrait", "photo.portrait.jpg"),
        ("a/talk.MOV", "background", "a/talk.background.MOV"),
        ("talk.m4v", "none", "talk.none.m4v"),
        ("talk.mkv", "greenscreen", "talk.greenscreen.mkv"),
        ("photo.jpeg", "cutout", "photo.cutout.png"),
        ("photo.PNG", "cutout", "photo.cutout.png"),
        ("photo.tif", "matte", "photo.matte.tif"),
        ("two.dots.webp", "portrait", "two.dots.portrait.webp"),
        ("talk.mp4", "cutout", "talk.cutout.mov"),
        ("talk.webm", "cutout", "talk.cutout.webm"),
        ("talk.gif", "cutout", "talk.cutout.mov"),
    ],
)
def test_default_output_is_beside_input(name: str, mode: str, output: str, make: Make) -> None:
    assert planned([str(make(name))], mode=mode) == {name: output}


@pytest.mark.parametrize("ending", ["gif", "webm", "avi", "mpg", "ts", "wmv"])
def test_unsupported_container_becomes_mkv_with_note(ending: str, make: Make) -> None:
    job = plan_jobs([make(f"clip.{ending}")], None, "portrait").jobs[0]
    assert job == Job(Path(f"clip.{ending}"), Path("clip.portrait.mkv"), "written as mkv, which supports any timing")


def test_supported_container_has_no_note(make: Make) -> None:
    assert [plan_jobs([make(name)], None, "portrait").jobs[0].note for name in ("a.mp4", "b.jpg", "c.MKV", "d.mov")] == [""] * 4


@pytest.mark.parametrize(("name", "note"), [("a.jpg", "written as png"), ("a.mp4", "written as mov"), ("a.webm", "")])
def test_cutout_notes_changed_format(name: str, note: str, make: Make) -> None:
    assert plan_jobs([make(name)], None, "cutout").jobs[0].note.partition(",")[0] == note


def test_photos_are_recognized_by_suffix() -> None:
    names = ["a.jpg", "a.JPEG", "a.png", "a.webp", "a.tiff", "a.bmp", "a.avif", "a.heic", "a.mp4", "a.gif", "a.mkv", "a"]
    assert [Job(Path(name), Path("out")).is_photo for name in names] == [True] * 8 + [False] * 4


def test_output_file_is_used_unchanged(make: Make) -> None:
    make("talk.mp4", "out/")
    assert planned(["talk.mp4"], "out/other.mkv") == {"talk.mp4": "out/other.mkv"}
    assert planned(["talk.mp4"], "other.mov") == {"talk.mp4": "other.mov"}


def test_output_folder_gets_default_name(make: Make) -> None:
    make("a/talk.mp4", "out/")
    assert planned(["a/talk.mp4"], "out") == {"a/talk.mp4": "out/talk.portrait.mp4"}


def test_folder_is_walked_in_order_with_subfolders(make: Make) -> None:
    make("in/b.mp4", "in/a.jpg", "in/sub/deep/c.mkv", "in/notes.txt", "in/.hidden.mp4", "in/.git/d.mp4", "in/Aa/e.png", "out/")
    assert planned(["in"], "out") == {
        "in/a.jpg": "out/a.portrait.jpg",
        "in/b.mp4": "out/b.portrait.mp4",
        "in/Aa/e.png": "out/Aa/e.portrait.png",
        "in/sub/deep/c.mkv": "out/sub/deep/c.portrait.mkv",
    }
    assert planned(["in"])["in/sub/deep/c.mkv"] == "in/sub/deep/c.portrait.mkv"
    assert list(planned(["in"], "out")) == ["in/a.jpg", "in/b.mp4", "in/Aa/e.png", "in/sub/deep/c.mkv"]


def test_files_and_folders_can_be_mixed_and_repeated(make: Make) -> None:
    make("in/a.mp4", "in/sub/b.mp4", "c.jpg")
    targets = planned(["in/a.mp4", "in", "c.jpg", "./in/../c.jpg"])
    assert [Path(target).name for target in targets.values()] == ["a.portrait.mp4", "b.portrait.mp4", "c.portrait.jpg"]


def test_output_folder_inside_input_is_skipped(make: Make) -> None:
    make("in/a.mp4", "in/out/b.mp4", "in/other/c.mp4")
    assert planned(["in"], "in/out") == {
        "in/a.mp4": "in/out/a.portrait.mp4",
        "in/other/c.mp4": "in/out/other/c.portrait.mp4",
    }


def test_conflicting_outputs_keep_full_input_name(make: Make) -> None:
    make("in/astro.jpg", "in/astro.png", "in/other.jpg", "in/talk.avi", "in/talk.mkv", "in/talk.mp4")
    assert planned(["in"], mode="cutout") == {
        "in/astro.jpg": "in/astro.jpg.cutout.png",
        "in/astro.png": "in/astro.png.cutout.png",
        "in/other.jpg": "in/other.cutout.png",
        "in/talk.avi": "in/talk.avi.cutout.mov",
        "in/talk.mkv": "in/talk.mkv.cutout.mov",
        "in/talk.mp4": "in/talk.mp4.cutout.mov",
    }
    assert planned(["in"], mode="matte") == {
        "in/astro.jpg": "in/astro.matte.jpg",
        "in/astro.png": "in/astro.matte.png",
        "in/other.jpg": "in/other.matte.jpg",
        "in/talk.avi": "in/talk.avi.matte.mkv",
        "in/talk.mkv": "in/talk.mkv.matte.mkv",
        "in/talk.mp4": "in/talk.matte.mp4",
    }


def test_same_names_from_several_folders_are_numbered(make: Make) -> None:
    make("a/talk.mp4", "b/talk.mp4", "c/talk.mp4", "out/")
    assert planned(["a", "b", "c/talk.mp4"], "out") == {
        "a/talk.mp4": "out/talk.mp4.portrait.mp4",
        "b/talk.mp4": "out/talk.mp4.2.portrait.mp4",
        "c/talk.mp4": "out/talk.mp4.3.portrait.mp4",
    }


def test_full_name_used_by_other_input_is_skipped(make: Make) -> None:
    make("in/astro.jpg", "in/astro.png", "in/astro.jpg.webp")
    targets = planned(["in"], mode="cutout")
    assert targets["in/astro.jpg.webp"] == "in/astro.jpg.cutout.png"
    assert targets["in/astro.jpg"] == "in/astro.jpg.2.cutout.png"


def test_input_is_never_an_output(make: Make) -> None:
    make("talk.mp4", "talk.portrait.mp4")
    assert planned(["talk.mp4", "talk.portrait.mp4"]) == {
        "talk.mp4": "talk.mp4.portrait.mp4",
        "talk.portrait.mp4": "talk.portrait.portrait.mp4",
    }


def test_second_run_ignores_its_own_outputs(make: Make) -> None:
    make("in/astro.jpg", "in/astro.png", "in/talk.avi", "in/clip [1].mp4", "in/sub/solo.mp4")
    first: dict[str, str] = {}
    for mode in ("portrait", "greenscreen", "matte", "cutout", "background", "none"):
        targets = planned(["in"], mode=mode)
        assert list(targets) == list(first or targets)
        make(*targets.values())
        first = targets


def test_file_that_only_looks_like_output_is_an_input(make: Make) -> None:
    make("in/grandma.portrait.jpg", "in/talk.final.mp4", "in/talk.mp4", "in/x.matte.mp4", "in/x.txt")
    assert list(planned(["in"])) == ["in/grandma.portrait.jpg", "in/talk.final.mp4", "in/talk.mp4", "in/x.matte.mp4"]


def test_output_named_as_input_is_used(make: Make) -> None:
    make("talk.mp4", "talk.portrait.mp4")
    assert planned(["talk.portrait.mp4"], mode="matte") == {"talk.portrait.mp4": "talk.portrait.matte.mp4"}


def test_missing_input_fails(make: Make) -> None:
    make("a.mp4")
    with pytest.raises(SourceError, match=r"^b\.mp4 does not exist\. Name a video, a photo or a folder\.$"):
        planned(["a.mp4", "b.mp4"])


def test_folders_without_media_fail(make: Make) -> None:
    make("in/notes.txt", "empty/")
    with pytest.raises(SourceError, match=r"^No videos or photos found in in, empty\. Name a folder that contains some"):
        planned(["in", "empty"])


@pytest.mark.parametrize(
    ("inputs", "output", "missing"),
    [
        (["a.mp4"], "new", "new"),
        (["a.mp4"], "new/b.mp4", "new"),
        (["a.mp4", "b.mp4"], "new", "new"),
        (["in"], "new/deep", "new/deep"),
        (["in"], "new.mp4", "new.mp4"),
    ],
)
def test_missing_output_folder_fails(inputs: list[str], output: str, missing: str, make: Make) -> None:
    make("a.mp4", "b.mp4", "in/c.mp4")
    with pytest.raises(SinkError) as caught:
        planned(inputs, output)
    assert str(caught.value) == f"The output folder {missing} does not exist. Create it first, or name another one."


def test_output_below_file_fails(make: Make) -> None:
    make("a.mp4", "file.txt")
    with pytest.raises(
        SinkError, match=r"^The output folder file\.txt is not a folder\. Create it first, or name another one\.$"
    ):
        planned(["a.mp4"], "file.txt/b.mp4")


@pytest.mark.parametrize("inputs", [["a.mp4", "b.mp4"], ["in"]])
def test_single_output_file_for_many_inputs_fails(inputs: list[str], make: Make) -> None:
    make("a.mp4", "b.mp4", "in/c.mp4", "out.mp4")
    with pytest.raises(ConfigError, match=r"^The output out\.mp4 is not a folder\. Name a folder, or for a single input a file"):
        planned(inputs, "out.mp4")


def test_output_without_suffix_must_be_a_folder(make: Make) -> None:
    make("a.mp4", "Makefile")
    with pytest.raises(
        ConfigError, match=r"^The output Makefile is not a folder\. Name a folder, or for a single input a file with an"
    ):
        planned(["a.mp4"], "Makefile")


def test_linked_folders_are_one_folder(make: Make, here: Path) -> None:
    make("in/a.mp4", "out/")
    (here / "alias").symlink_to("in", target_is_directory=True)
    assert len(planned(["in/a.mp4", "alias/a.mp4"])) == 1
    (here / "in" / "link.mp4").symlink_to("a.mp4")
    assert planned(["in"])["in/link.mp4"] == "in/link.portrait.mp4"


def test_folder_that_links_to_itself_ends(make: Make, here: Path) -> None:
    make("in/a.mp4")
    (here / "in" / "loop").symlink_to(".", target_is_directory=True)
    assert list(planned(["in"])) == ["in/a.mp4"]


def test_jobs_with_existing_output_are_skipped_on_request(make: Make) -> None:
    make("in/astro.jpg", "in/astro.png", "in/talk.mp4", "in/sub/deep.mp4", "in/notes.txt")
    everything = plan_jobs([Path("in")], None, "cutout")
    make(*(str(job.output) for job in everything.jobs if job.input.suffix != ".png"))
    assert plan_jobs([Path("in")], None, "cutout") == everything
    plan = plan_jobs([Path("in")], None, "cutout", skip_existing=True)
    assert [str(job.input) for job in plan.jobs] == ["in/astro.png"]
    assert [str(job.input) for job in plan.existing] == ["in/astro.jpg", "in/talk.mp4", "in/sub/deep.mp4"]
    assert {*plan.jobs, *plan.existing} == set(everything.jobs)
    assert plan.skipped == everything.skipped == [Path("in/notes.txt")]


def test_single_output_that_exists_is_skipped_on_request(make: Make, here: Path) -> None:
    make("talk.mp4")
    (here / "link.mp4").symlink_to("missing")
    for name, count in (("new.mp4", 1), ("talk.mp4", 0), ("link.mp4", 0)):
        plan = plan_jobs([Path("talk.mp4")], Path(name), "portrait", skip_existing=True)
        assert (len(plan.jobs), len(plan.existing)) == (count, 1 - count)


def test_job_with_an_error_is_never_skipped(make: Make) -> None:
    make(f"in/{'b' * 251}.png", "in/a.png", "in/a.portrait.png")
    plan = plan_jobs([Path("in")], None, "portrait", skip_existing=True)
    assert [job.error is not None for job in plan.jobs] == [True]
    assert [str(job.input) for job in plan.existing] == ["in/a.png"]
