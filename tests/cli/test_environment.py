"""Users without a home directory, folders that they cannot enter, and outputs that cannot be written."""

import codecs
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from livebg.config.loading import load_settings, read_config
from livebg.daemon.runtime_dir import runtime_dir
from livebg.daemon.saved_choices import Choice, SavedChoices
from livebg.errors import ConfigError, ModelError, SetupError
from livebg.models import card_named, find, models_folder, pull
from livebg.platform import user_paths
from livebg.platform.user_paths import expand_user, home_folder, user_folder
from livebg.segmentation.execution_providers import ProviderCache
from livebg.setup.target import Machine
from livebg.tray.actions import Autostart
from tests.support.cli_runner import CommandResult, LivebgCli
from tests.support.invalid_files import without_root_rights

NO_HOME = "WARNING  No home directory, so livebg uses its defaults and saves nothing."
FOLDERS = tuple(f"XDG_{kind}_HOME" for kind in ("CONFIG", "CACHE", "STATE", "DATA"))
UNKNOWN_USER = "import pwd\ndef unknown(uid):\n    raise KeyError(uid)\npwd.getpwuid = unknown\n"
"""A ``sitecustomize.py`` that gives the process the view of a user without an entry in /etc/passwd."""


@pytest.fixture(autouse=True)
def _not_logged_yet() -> Iterator[None]:
    user_paths._log_no_home.cache_clear()
    yield
    user_paths._log_no_home.cache_clear()


@pytest.fixture
def homeless(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home directory that does not exist."""
    for name in FOLDERS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "nonexistent"))
    return tmp_path / "nonexistent"


def without_home(cli: LivebgCli, *arguments: str) -> CommandResult:
    """Run livebg as a user without a home directory and without an entry in /etc/passwd."""
    place = cli.folder.parent / "site"
    place.mkdir(exist_ok=True)
    (place / "sitecustomize.py").write_text(UNKNOWN_USER)
    path = os.pathsep.join(filter(None, [str(place), os.environ.get("PYTHONPATH")]))
    unset = [word for name in ("HOME", *FOLDERS) for word in ("-u", name)]
    return cli.process(*arguments, prefix=("env", *unset), env={"PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"})


def test_render_without_home_uses_the_defaults(cli: LivebgCli, photo: Path) -> None:
    result = without_home(cli, "render", str(photo), "--model", "toy.onnx", "-o", "out.png")
    assert result.code == 0
    assert [line.rstrip() for line in result.err.splitlines()][:-1] == [NO_HOME]
    assert cli.files() == {"photo.png", "out.png"}


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (("setup", "--yes"), 7, "livebg setup writes to your home directory, and there is none. Set HOME."),
        (
            ("models", "pull", "u2netp"),
            5,
            "u2netp cannot be stored without a home directory. Set HOME or XDG_CACHE_HOME.",
        ),
        (("models", "path", "u2netp"), 5, "The model u2netp is not installed. Run `livebg models pull u2netp`."),
        (("render", "~/photo.png"), 3, "~/photo.png does not exist. Name a video, a photo or a folder."),
        (
            ("render", "photo.png", "--model", "~/toy.onnx"),
            5,
            "The model file ~/toy.onnx does not exist. Give the path of an .onnx file, or one of"
            " livebg-u2, u2netp, u2net_human_seg.",
        ),
    ],
)
def test_command_without_home_says_what_is_missing(
    cli: LivebgCli,
    photo: Path,  # noqa: ARG001
    arguments: tuple[str, ...],
    code: int,
    sentence: str,
) -> None:
    result = without_home(cli, *arguments)
    lines = [line.rstrip() for line in result.err.splitlines() if not line.startswith("Downloading")]
    assert (result.code, lines) == (code, [NO_HOME, f"livebg: {sentence}"])
    assert cli.files() == {"photo.png"}


@pytest.mark.parametrize("arguments", [("devices",), ("run", "--camera", "none.mp4")])
def test_command_without_home_reports_no_internal_error(cli: LivebgCli, arguments: tuple[str, ...]) -> None:
    result = without_home(cli, *arguments)
    assert "nternal error" not in result.out + result.err
    assert result.err.count("No home directory") == 1
    assert cli.files() == set()


def test_nonexistent_home_is_not_created(homeless: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert home_folder() is None
    assert [user_folder(kind) for kind in ("config", "cache", "data", "state")] == [None] * 4
    assert caplog.messages == ["No home directory, so livebg uses its defaults and saves nothing."]
    assert read_config().path is None
    assert load_settings({}).effect.mode == "portrait"
    assert models_folder() is None
    with pytest.raises(ModelError, match="cannot be stored without a home directory"):
        pull(card_named("u2netp"))
    with pytest.raises(ModelError, match="is not installed"):
        find("u2netp")
    cache = ProviderCache.of_user()
    cache.put("key", "provider")
    assert cache.get("key") is None
    with pytest.raises(SetupError, match="there is none"):
        Machine.own()
    autostart = Autostart(("livebg",))
    assert not autostart.is_on
    with pytest.raises(SetupError, match="needs a home directory"):
        autostart.switch(True)
    assert not homeless.exists()


@pytest.mark.usefixtures("homeless")
def test_choice_without_home_is_not_saved() -> None:
    choices = SavedChoices()
    assert choices.read() == {}
    error = choices.write({"effect.blur": Choice(0.5, None)})
    assert error == "The choice is not saved for the next start: there is no home directory."


@pytest.mark.usefixtures("homeless")
def test_xdg_folder_needs_no_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    choices = SavedChoices()
    assert choices.write({"effect.blur": Choice(0.5, None)}) is None
    assert SavedChoices().read() == {"effect.blur": Choice(0.5, None)}


@pytest.mark.parametrize("value", ["", "relative", "./here"])
@pytest.mark.parametrize("name", ["HOME", *FOLDERS])
def test_variable_that_is_no_absolute_path_is_ignored(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for each in FOLDERS:
        monkeypatch.delenv(each, raising=False)
    if name == "HOME":
        monkeypatch.delenv("HOME")
    expected = [user_folder(kind) for kind in ("config", "cache", "data", "state")]
    monkeypatch.setenv(name, value)
    assert [user_folder(kind) for kind in ("config", "cache", "data", "state")] == expected


@pytest.mark.usefixtures("homeless")
def test_unknown_home_stays_in_the_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert expand_user("~/a.png") == Path("~/a.png")
    assert expand_user("~no-such-user/a.png") == Path("~no-such-user/a.png")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert expand_user("~/a.png") == tmp_path / "a.png"
    assert expand_user("~") == tmp_path


@pytest.mark.usefixtures("homeless")
def test_runtime_folder_without_any_place_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "runtime").mkdir(mode=0o700)
    (tmp_path / "runtime" / "livebg").touch()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "runtime"))
    with pytest.raises(ConfigError, match=r"^There is no private folder for livebg's sockets\. Set XDG_RUNTIME_DIR\.$"):
        runtime_dir()


@pytest.mark.parametrize("closed", ["home", "home/.config/livebg", "home/.local"])
def test_folders_that_cannot_be_entered_leave_the_defaults(cli: LivebgCli, photo: Path, closed: str) -> None:
    prefix = without_root_rights()
    home = cli.folder / "home"
    for name in (".config/livebg", ".local/state/livebg", ".cache/livebg"):
        (home / name).mkdir(parents=True)
    before = cli.files()
    (cli.folder / closed).chmod(0)
    try:
        unset = [word for name in FOLDERS for word in ("-u", name)]
        place = ("env", *unset, f"HOME={home}")
        result = cli.process("render", str(photo), "--model", "toy.onnx", "-o", "out.png", prefix=(*prefix, *place))
        found = cli.process("models", "path", "u2netp", prefix=(*prefix, *place))
    finally:
        (cli.folder / closed).chmod(0o700)
    assert (result.code, found.code) == (0, 5), result.err + found.err
    assert result.err.count("WARNING") == (0 if closed in ("home/.local", "home/.cache") else 1)
    assert cli.files() == before | {"out.png"}


def test_choices_that_cannot_be_read_stay_where_they_are(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").touch()
    choices = SavedChoices(tmp_path / "file" / "choices.json")
    assert choices.read() == {}
    assert caplog.messages == [f"Cannot read the choices in {choices.path} (Not a directory)."]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("render", "shut/in.mp4"), 3),
        (("render", "photo.png", "-o", "shut/out.png"), 4),
        (("score", "shut/matte.mkv"), 3),
        (("snapshot", "shut/out.png"), 4),
    ],
)
def test_path_in_a_folder_that_cannot_be_entered(
    cli: LivebgCli,
    photo: Path,  # noqa: ARG001
    arguments: tuple[str, ...],
    code: int,
) -> None:
    prefix = without_root_rights()
    (cli.folder / "shut").mkdir(mode=0)
    result = cli.process(*arguments, prefix=prefix)
    assert result.code == code
    assert "shut/" in result.error_line
    assert "permission" in result.error_line.lower()


@pytest.mark.parametrize("option", ["--background", "--model"])
def test_file_in_a_folder_that_cannot_be_entered(cli: LivebgCli, photo: Path, option: str) -> None:
    prefix = without_root_rights()
    (cli.folder / "shut").mkdir(mode=0)
    name = "shut/other.onnx" if option == "--model" else "shut/other.png"
    arguments = ("render", str(photo), "-o", "out.png", "--model", "toy.onnx", option, name, "--mode", "background")
    result = cli.process(*arguments, prefix=prefix)
    assert result.code in (2, 3, 5)
    assert name in result.error_line
    assert "nternal error" not in result.error_line


def test_byte_order_mark_is_skipped(tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_bytes(codecs.BOM_UTF8 + b"[effect]\r\nblur = 0.1\r\n")
    assert load_settings({}, config).effect.blur == 0.1


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be"])
def test_utf_16_is_reported(tmp_path: Path, encoding: str) -> None:
    config = tmp_path / "config.toml"
    text = "[effect]\nblur = 0.1\n"
    config.write_bytes((codecs.BOM_UTF16_BE if encoding == "utf-16-be" else b"") + text.encode(encoding))
    with pytest.raises(ConfigError) as caught:
        read_config(config)
    assert str(caught.value) == f"The configuration file {config} is encoded as UTF-16. Save it as UTF-8."


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize(
    "arguments",
    [
        ("models", "list", "--json"),
        ("--help",),
        ("background",),
        ("render", "photo.png", "--model", "toy.onnx", "--json", "-o", "out.png"),
    ],
)
def test_full_output_is_one_sentence(cli: LivebgCli, photo: Path, arguments: tuple[str, ...]) -> None:  # noqa: ARG001
    result = cli.process(*arguments, prefix=("sh", "-c", '"$@" > /dev/full', "sh"))
    sentence = "livebg: Cannot write to standard output (No space left on device). Redirect it elsewhere."
    assert (result.code, set(result.err.splitlines())) == (4, {sentence})
    assert cli.files() <= {"photo.png", "out.png"}


def test_closed_output_is_one_sentence(cli: LivebgCli) -> None:
    result = cli.process("background", prefix=("sh", "-c", '"$@" >&-', "sh"))
    assert result.code == 4
    assert result.error_line == "Standard output is closed. Redirect it to a file, or to /dev/null."


@pytest.mark.parametrize("columns", ["0", "abc", "", "-1"])
def test_impossible_width_hides_nothing(cli: LivebgCli, columns: str) -> None:
    assert cli.process("background", env={"COLUMNS": columns, "TERM": "dumb"}).out.split()[:1] == ["dawn"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_full_error_stream_stops_no_render(cli: LivebgCli, photo: Path) -> None:
    folder = cli.folder / "photos"
    folder.mkdir()
    for name in ("a.png", "b.png"):
        (folder / name).write_bytes((cli.folder / photo).read_bytes())
    full = ("sh", "-c", '"$@" 2> /dev/full', "sh")
    result = cli.process("render", "photos", "-o", ".", "--model", "toy.onnx", "--jobs", "1", prefix=full)
    assert (result.code, result.err) == (0, "")
    assert {"a.portrait.png", "b.portrait.png"} <= cli.files()
    assert cli.process("models", "path", "nothing", prefix=full).code == 5


@pytest.mark.parametrize("settings", [{"PYTHONIOENCODING": "ascii"}, {"LC_ALL": "C"}, {"LC_ALL": "C", "PYTHONUTF8": "0"}])
def test_encoding_without_a_character_escapes_it(cli: LivebgCli, settings: dict[str, str]) -> None:
    result = cli.process("models", env=settings)
    assert (result.code, result.err) == (0, "")
    assert "U\\xb2-Net" in result.out or "U\N{SUPERSCRIPT TWO}-Net" in result.out


@pytest.mark.parametrize("arguments", [("demo", "--quiet"), ("snapshot", "a.png")])
def test_removed_current_folder_is_one_sentence(cli: LivebgCli, arguments: tuple[str, ...]) -> None:
    result = cli.process(*arguments, prefix=("sh", "-c", 'mkdir gone && cd gone && rmdir ../gone && exec "$@"', "sh"))
    assert (result.code, result.error_line) == (2, "The current folder does not exist any more. Change to another one.")


LONG = "word " * 39 + "word"
LOG = f"import logging; from livebg.cli import common; common(False, False); logging.getLogger('livebg').warning({LONG!r})"


def test_log_message_in_a_pipe_is_one_line() -> None:
    ended = subprocess.run([sys.executable, "-c", LOG], capture_output=True, text=True, timeout=60, check=True)
    assert ended.stderr == f"WARNING  {LONG}\n"
