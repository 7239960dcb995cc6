"""The address of a cluster, and what its workers must have in common; without a cluster."""

import os
import sys
from pathlib import Path
from typing import Any

import pytest

from livebg.config.loading import load_settings
from livebg.config.settings import Settings
from livebg.errors import Cancelled, ConfigError, LivebgError, ModelError, SinkError, SourceError
from livebg.rendering.cluster_address import parse_cluster
from livebg.rendering.cluster_checks import Requirements, cpu_notes, machine_id, notice
from livebg.rendering.cluster_connection import Connection
from livebg.rendering.cluster_paths import SharedPaths, with_absolute_paths
from livebg.rendering.cluster_results import verify_files
from livebg.rendering.fingerprint import CPU, environment_fingerprint
from livebg.rendering.segments import SegmentFile
from tests.support.cli_runner import LivebgCli

REPORT: dict[str, Any] = {
    "host": "node7",
    "machine": "m1",
    "environment": {"numpy": "2.4.6", "CPU": "X86_V4"},
    "network": "ab",
    "problem": "",
}


@pytest.mark.parametrize("text", ["local", "tls://render:8786", "tcp://127.0.0.1:8786", "tcp://[::1]:8786", "tcp://localhost:1"])
def test_cluster_address_is_accepted(text: str) -> None:
    assert parse_cluster(text, insecure=False).text == text


@pytest.mark.parametrize(
    "text", ["", "here", "render:8786", "tls://render", "tls://render:99999", "tls://:8786", "http://render:80", "tls://a:1/b"]
)
def test_cluster_address_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=r"tls://HOST:PORT, or local"):
        parse_cluster(text, insecure=True)


@pytest.mark.parametrize("text", ["tcp://render:8786", "tcp://10.0.0.7:8786", "tcp://[2001:db8::1]:8786", "tcp://0.0.0.0:8786"])
def test_unencrypted_address_needs_consent(text: str) -> None:
    with pytest.raises(ConfigError, match=r"not encrypted.*--insecure-cluster"):
        parse_cluster(text, insecure=False)
    assert parse_cluster(text, insecure=True).text == text


@pytest.mark.parametrize("line", ["cluster = 'local'", "insecure_cluster = true"])
def test_config_file_cannot_name_a_cluster(line: str, tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text(f"[render]\n{line}\n")
    with pytest.raises(ConfigError, match="Unknown key"):
        load_settings({}, file)


def test_environment_cannot_name_a_cluster(cli: LivebgCli, monkeypatch: pytest.MonkeyPatch, clip: Path) -> None:
    monkeypatch.setenv("LIVEBG_RENDER__CLUSTER", "local")
    done = cli.render(str(clip))
    assert done.code == 2
    assert "LIVEBG_RENDER__CLUSTER" in done.error_line


def test_missing_packages_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    monkeypatch.setitem(sys.modules, "cryptography", None)
    with pytest.raises(ConfigError, match=r"not installed. Run `pip install 'livebg\[cluster\]'`"):
        Connection(parse_cluster("local", insecure=False), 1)


def requirements(machine: str | None = None, insecure: bool = False) -> Requirements:
    return Requirements({"numpy": "2.4.6"}, "ab", machine, insecure)


def test_equal_worker_is_accepted_whatever_its_cpu() -> None:
    requirements().check("w", "tls://10.0.0.7:1", REPORT)
    requirements("m1").check("w", "tcp://127.0.0.1:1", REPORT)
    requirements(insecure=True).check("w", "tcp://10.0.0.7:1", REPORT)


@pytest.mark.parametrize(
    ("needs", "address", "change", "kind", "sentence"),
    [
        (requirements(), "tls://a:1", {"environment": {"numpy": "2.3.1"}}, ConfigError, "w has numpy 2.3.1 instead of 2.4.6"),
        (requirements(), "tls://a:1", {"environment": {}}, ConfigError, "w has numpy missing instead of 2.4.6"),
        (requirements(), "tls://a:1", {"network": "cd"}, ModelError, "w has another network file"),
        (requirements(), "tls://a:1", {"problem": "It is damaged."}, ModelError, "w cannot use the network: It is damaged"),
        (requirements(), "tcp://10.0.0.7:1", {}, ConfigError, "w is not encrypted"),
        (requirements("m2"), "tls://a:1", {}, ConfigError, "w is on another machine"),
        (requirements("m2", insecure=True), "tcp://127.0.0.1:1", {}, ConfigError, "w is on another machine"),
    ],
)
def test_different_worker_is_refused(
    needs: Requirements, address: str, change: dict[str, object], kind: type[LivebgError], sentence: str
) -> None:
    with pytest.raises(kind, match=sentence):
        needs.check("w", address, REPORT | change)


def reports(**machines: str) -> dict[str, dict[str, object]]:
    return {f"tcp://{host}:1": REPORT | {"host": host, "machine": machine} for host, machine in machines.items()}


@pytest.mark.parametrize("text", ["local", "tcp://127.0.0.1:8786"])
def test_cluster_on_this_machine_needs_no_notice(text: str) -> None:
    assert notice(parse_cluster(text, insecure=False), reports(here=machine_id())) is None


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("tls://render:8786", "Pictures leave this machine: the workers of tls://render:8786 (a, b) read and write them."),
        (
            "tcp://render:8786",
            "Pictures leave this machine: the workers of tcp://render:8786 (a, b) read and write them. "
            "The connection is not encrypted.",
        ),
        # The end of a tunnel.
        ("tcp://127.0.0.1:8786", "Pictures leave this machine: the workers of tcp://127.0.0.1:8786 (a, b) read and write them."),
    ],
)
def test_notice_names_the_machines(text: str, sentence: str) -> None:
    assert notice(parse_cluster(text, insecure=True), reports(b="m1", a=machine_id())) == sentence


def test_notice_of_a_remote_address_does_not_depend_on_its_workers() -> None:
    assert notice(parse_cluster("tls://render:8786", insecure=False), reports(here=machine_id())) is not None


def test_notice_lists_five_machines() -> None:
    sentence = notice(parse_cluster("tls://render:8786", insecure=False), reports(**dict.fromkeys("gfedcba", "m1")))
    assert sentence is not None
    assert "(a, b, c, d, e and 2 more)" in sentence


def test_other_cpus_are_noted() -> None:
    ours = REPORT | {"environment": environment_fingerprint()}
    other = REPORT | {"environment": {CPU: "SSE9"}}
    assert cpu_notes({"a": ours}) == ()
    assert cpu_notes({"a": ours, "b": other})[0].startswith("1 of 2 workers have a CPU with other instruction sets")
    assert cpu_notes({"b": other})[0].startswith("All workers have")


def test_shared_files_must_be_the_same(tmp_path: Path) -> None:
    source = tmp_path / "talk.mp4"
    source.write_bytes(b"abc")
    paths = SharedPaths.of([source], tmp_path)
    paths.check("w")
    os.utime(source, (0, 0))
    with pytest.raises(SourceError, match=r"The worker w sees another .*talk\.mp4 \(another time"):
        paths.check("w")
    source.write_bytes(b"abcd")
    with pytest.raises(SourceError, match=r"The worker w sees another .*talk\.mp4 \(4 bytes\)"):
        paths.check("w")
    source.unlink()
    with pytest.raises(SourceError, match=r"The worker w cannot read .*talk\.mp4 \(No such file"):
        paths.check("w")


def test_shared_folder_must_be_the_same(tmp_path: Path) -> None:
    paths = SharedPaths.of([], tmp_path)
    with pytest.raises(SinkError, match="The worker w does not share the folder"):
        paths.check("w", "probe")
    (tmp_path / "probe").touch()
    paths.check("w", "probe")
    assert [path.name for path in tmp_path.iterdir()] == ["probe"]
    with pytest.raises(SinkError, match=r"The worker w cannot write to .*gone"):
        SharedPaths.of([], tmp_path / "gone").check("w")


def test_relative_paths_become_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    overrides = {"model.name": "nets/a.onnx", "effect.mode": "background", "effect.background": "beach.jpg"}
    settings = load_settings(overrides, None)
    absolute = with_absolute_paths(settings)
    assert absolute.model.name == str(tmp_path / "nets" / "a.onnx")
    assert absolute.effect.background == str(tmp_path / "beach.jpg")


@pytest.mark.parametrize("background", ["#204060", "dawn"])
def test_names_that_are_no_paths_stay(background: str) -> None:
    settings = load_settings({"model.name": "u2netp", "effect.mode": "background", "effect.background": background}, None)
    assert with_absolute_paths(settings) == settings
    assert with_absolute_paths(Settings()) == Settings()


HELLO = SegmentFile("a", 5, "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824")


def test_result_that_arrives_late_is_accepted(tmp_path: Path) -> None:
    """A network file system shows nothing, then a part, then the file."""
    contents = [b"he", b"hello"]

    def wait(_seconds: float) -> bool:
        HELLO.path(tmp_path).write_bytes(contents.pop(0))
        return False

    verify_files([HELLO], tmp_path, wait)
    assert not contents


@pytest.mark.parametrize(
    ("content", "problem"),
    [(None, "does not exist"), (b"hell", "has 4 bytes instead of 5"), (b"jello", "has another content")],
)
def test_result_that_stays_different_is_refused(tmp_path: Path, content: bytes | None, problem: str) -> None:
    waited: list[float] = []

    def wait(seconds: float) -> bool:
        waited.append(seconds)
        return False

    if content is not None:
        HELLO.path(tmp_path).write_bytes(content)
    with pytest.raises(SinkError, match=problem):
        verify_files([HELLO], tmp_path, wait)
    assert 60 <= sum(waited) < 70


def test_stop_ends_the_wait_for_a_result(tmp_path: Path) -> None:
    with pytest.raises(Cancelled):
        verify_files([HELLO], tmp_path, lambda _seconds: True)
