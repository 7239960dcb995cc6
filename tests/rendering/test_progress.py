"""The progress of all files together, and the estimate of the remaining time, on a clock of the test's own."""

from itertools import pairwise
from pathlib import Path

import pytest

from livebg.rendering.jobs import Job
from livebg.rendering.progress import RenderProgress
from livebg.rendering.progress_bar import figures


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def progress(clock: Clock) -> RenderProgress:
    return RenderProgress(clock)


def video(folder: Path, name: str, size: int = 1000) -> Job:
    path = folder / name
    path.write_bytes(bytes(size))
    return Job(path, path.with_suffix(".mkv"))


def remaining(progress: RenderProgress) -> float:
    estimate = progress.remaining_s
    assert estimate is not None
    return estimate


def test_estimate_falls_steadily_although_segments_are_uneven(progress: RenderProgress, clock: Clock, tmp_path: Path) -> None:
    """Two segments at a time; every 10 s nothing advances for 2 s."""
    job, frames = video(tmp_path, "a.mp4"), 0
    progress.start(job, 12_000)
    estimates = []
    for second in range(600):
        clock.now += 1
        frames += 0 if second % 10 in (8, 9) else 25
        progress.advance(job, frames)
        if second >= 60:
            estimates.append(remaining(progress))
    assert estimates[-1] == pytest.approx(0, abs=1)
    assert estimates[0] == pytest.approx(539, rel=0.05)
    assert max(later - before * 1.02 for before, later in pairwise(estimates)) < 1
    assert max(later - before for before, later in zip(estimates, estimates[30:], strict=False)) < -10


def test_estimate_follows_a_change_of_speed(progress: RenderProgress, clock: Clock, tmp_path: Path) -> None:
    job, frames = video(tmp_path, "a.mp4"), 0
    progress.start(job, 20_000)
    for second in range(400):
        clock.now += 1
        frames += 50 if second < 200 else 10
        progress.advance(job, frames)
    assert remaining(progress) == pytest.approx((20_000 - frames) / 10, rel=0.01)
    assert progress.fps == pytest.approx(10, rel=0.01)


def test_resumed_frames_are_done_but_not_fast(progress: RenderProgress, clock: Clock, tmp_path: Path) -> None:
    job = video(tmp_path, "a.mp4")
    progress.start(job, 1000, resumed=600)
    assert progress.share == 0.6
    assert progress.remaining_s is None
    for done in range(10, 110, 10):
        clock.now += 1
        progress.advance(job, 600 + done)
    assert progress.share == 0.7
    assert progress.fps == pytest.approx(10)
    assert remaining(progress) == pytest.approx(30)


def test_analysis_is_a_small_part_of_the_work(progress: RenderProgress, clock: Clock, tmp_path: Path) -> None:
    """It is ten times as fast as the render, so the estimate is the same all the time, and the bar never goes back."""
    job = video(tmp_path, "a.mp4")
    progress.start(job, 1000)
    shares, estimates = [], []
    for second in range(1, 110):
        clock.now += 1
        if second <= 10:
            progress.analyze(job, 100 * second)
        else:
            progress.advance(job, 10 * (second - 10))
        share = progress.share
        assert share is not None
        shares.append(share)
        if second > 2:
            estimates.append(remaining(progress) + second)
        assert ("fps" in figures(progress)) == (second > 10)
    assert shares == sorted(shares)
    assert shares[0] == pytest.approx(1 / 110)
    assert estimates == pytest.approx([110] * len(estimates), abs=1)
    progress.end(job)
    assert progress.share == 1


def test_second_try_takes_its_frames_back(progress: RenderProgress, clock: Clock, tmp_path: Path) -> None:
    job = video(tmp_path, "a.mp4")
    progress.start(job, 100)
    for frames in (10, 20, 12, 20):
        clock.now += 1
        progress.advance(job, frames)
    assert progress.share == 0.2
    assert progress.fps == pytest.approx(5)


def test_video_of_unknown_length_is_estimated_by_its_size(progress: RenderProgress, clock: Clock, tmp_path: Path) -> None:
    known, large, small = video(tmp_path, "a.mp4", 1000), video(tmp_path, "b.mp4", 2000), video(tmp_path, "c.mp4", 500)
    progress.plan([known, large, small])
    assert progress.share is None
    progress.start(known, 200)
    assert progress.share == 0
    clock.now += 10
    progress.advance(known, 100)
    assert progress.share == pytest.approx(100 / 700)
    assert remaining(progress) == pytest.approx(60)
    progress.start(large, 900)
    assert progress.share == pytest.approx(100 / (1100 + 500 * 1100 / 3000))


def test_video_that_cannot_be_counted_has_no_estimate(progress: RenderProgress, clock: Clock, tmp_path: Path) -> None:
    job = video(tmp_path, "a.gif")
    progress.plan([job])
    progress.start(job, None)
    clock.now += 10
    progress.advance(job, 100)
    assert (progress.share, progress.remaining_s) == (None, None)
    assert progress.fps == pytest.approx(10)
    assert figures(progress) == " 10.0 fps"
    progress.end(job)
    assert progress.share == 1.0


def test_failed_file_is_no_work_any_more(progress: RenderProgress, clock: Clock, tmp_path: Path) -> None:
    jobs = [video(tmp_path, name) for name in ("a.mp4", "b.mp4", "c.mp4")]
    progress.plan(jobs)
    progress.start(jobs[0], 100)
    progress.start(jobs[1], 100)
    clock.now += 10
    progress.advance(jobs[0], 50)
    progress.advance(jobs[1], 50)
    progress.end(jobs[0])
    progress.end(jobs[0])
    progress.end(jobs[2])
    assert progress.share == 0.75
    assert progress.fps == pytest.approx(10)
    assert remaining(progress) == pytest.approx(5)
    assert progress.files == (2, 3)


def test_missing_file_counts_until_it_fails(progress: RenderProgress, tmp_path: Path) -> None:
    missing = Job(tmp_path / "gone.mp4", tmp_path / "out.mp4")
    progress.plan([missing])
    progress.end(missing)
    assert progress.files == (1, 1)


def test_photos_count_as_photos(progress: RenderProgress, clock: Clock, tmp_path: Path) -> None:
    jobs = [Job(tmp_path / f"{number}.jpg", tmp_path / f"{number}.out.jpg") for number in range(100)]
    progress.plan(jobs)
    for number, job in enumerate(jobs[:25]):
        progress.start(job, 1)
        clock.now = 1001.0 + number
        progress.advance(job, 1)
        progress.end(job)
    assert figures(progress) == " 25 %    1.0 photos/s  1:15 left"


def test_photo_takes_longer_than_a_frame(progress: RenderProgress, clock: Clock, tmp_path: Path) -> None:
    photos = [Job(tmp_path / f"{number}.jpg", tmp_path / f"{number}.out.jpg") for number in range(10)]
    talk = video(tmp_path, "talk.mp4")
    progress.plan([talk, *photos])
    progress.start(talk, 900)
    clock.now += 90
    progress.advance(talk, 900)
    progress.end(talk)
    assert remaining(progress) == pytest.approx(10)
    assert figures(progress) == " 90 %   10.0 fps  0:10 left"
