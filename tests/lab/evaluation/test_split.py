"""The hold-out for evaluation."""

from pathlib import Path

from livebg.lab.evaluation.holdout import CLIPS_HELD_OUT, files, held_out_part, is_held_out


def test_files_are_sorted_without_folders_and_hidden_files(tmp_path: Path) -> None:
    for name in ("b.png", "a.png", ".hidden"):
        (tmp_path / name).touch()
    (tmp_path / "folder").mkdir()
    assert files(tmp_path) == [tmp_path / "a.png", tmp_path / "b.png"]
    assert files(tmp_path / "nowhere") == []


def test_every_tenth_file_is_held_out() -> None:
    paths = [Path(f"{number:02}.jpg") for number in range(25)]
    kept, trained = held_out_part(paths, kept=True), held_out_part(paths, kept=False)
    assert kept == [Path("00.jpg"), Path("10.jpg"), Path("20.jpg")]
    assert sorted(kept + trained) == paths
    assert not set(kept) & set(trained)


def test_held_out_clips_are_known_by_stem() -> None:
    assert is_held_out(Path("video/signing/book.mkv"))
    assert not is_held_out(Path("video/signing/brother.mkv"))
    assert len(set(CLIPS_HELD_OUT)) == 7
