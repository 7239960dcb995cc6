"""On a fresh Debian or Ubuntu, the README's commands work as documented."""

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from livebg.setup.resources import APP_ID
from tests.bare.examples import LIVE_RUN, REFUSALS, REFUSED, RENDERED, SCORED, STEERED, STOP, check_rendered, script_of
from tests.bare.machine import HOME, BareMachine, Done, bare_machine, committed_copy, missing
from tests.bare.material import make_material, make_mattes
from tests.bare.readme import CHECKOUT, apt_line, install_line, pipx_apt_line, try_lines
from tests.bare.sources import sources_of_this_machine
from tests.support.decoding import rgb_of

CLONE = f"{HOME}/livebg"
COMMANDS = f"{CLONE}/.venv/bin"
SUITE_LIMIT = 3600.0
"""Seconds for all tests, on a busy machine."""
FEWEST_TESTS = 1500
"""At least this many pass, so that not all are skipped."""
DESKTOP = """dbus-daemon pipewire-bin wireplumber gstreamer1.0-tools gstreamer1.0-plugins-base gstreamer1.0-plugins-good
    gstreamer1.0-pipewire xdg-desktop-portal-gtk libglib2.0-bin xvfb chromium firefox-esr python3-gi gir1.2-gtk-3.0
    gir1.2-ayatanaappindicator3-0.1 xfce4-panel librsvg2-common xdotool imagemagick systemd procps
    gir1.2-gtk-4.0 gir1.2-adw-1 adwaita-icon-theme at-spi2-core sway wtype"""
"""The programs that the tests of PipeWire, tray, preview and window use."""
FEWEST_OF_A_DESKTOP = 40
CARRIED = (f"{APP_ID}.desktop", f"{APP_ID}.svg", f"{APP_ID}-symbolic.svg")
"""What `livebg setup` installs where no systemd runs."""


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BareMachine]:
    """A new Debian after the README's apt line, with a clone in the user's home."""
    lacking = missing()
    sources = None if lacking else sources_of_this_machine()
    if sources is None:
        pytest.skip(f"no bare Debian: {lacking or 'apt knows no archive of Debian'}")
    if not (CHECKOUT / ".git").exists():
        pytest.skip("no bare Debian: this is no clone, and what is committed is what it gets")
    with bare_machine(tmp_path_factory.mktemp("bare") / "debian", sources) as made:
        made.must(apt_line(), user="root")
        committed_copy(CHECKOUT, made.home / "livebg")
        made.give(made.home / "livebg")
        yield made


@pytest.fixture(scope="module")
def shown(machine: BareMachine) -> Done:
    """The output of the README's first line."""
    return machine.run(try_lines()[0], folder=CLONE)


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files that the examples name."""
    folder = tmp_path_factory.mktemp("material")
    make_material(folder)
    return folder


@pytest.fixture
def work(machine: BareMachine, shown: Done) -> Iterator[Path]:
    """A folder of the user's to work in, once livebg is installed."""
    assert shown.code == 0, shown.text
    folder = machine.home / "work"
    folder.mkdir()
    yield folder
    for left in (folder, machine.home / ".local" / "state"):  # choices are saved
        shutil.rmtree(left, ignore_errors=True)


def run_offline(machine: BareMachine, work: Path, script: str) -> Done:
    """The output of a reader's command there, without network."""
    machine.give(work)
    done = machine.run(script, folder=f"{HOME}/{work.name}", path=COMMANDS, network=False)
    assert "Traceback" not in done.err, done.text
    return done


def test_install_line_installs_livebg_and_renders_demo(machine: BareMachine, shown: Done) -> None:
    assert shown.code == 0, shown.text
    assert re.search(r"demo\.mp4 and demo\.png: \d+ frames", shown.err + shown.out)
    demo = rgb_of(machine.home / "livebg" / "demo.mp4")
    assert len(demo) == 270
    assert all(picture.std() > 20 for picture in demo)
    assert (machine.home / "livebg" / "demo.png").stat().st_size > 100_000


@pytest.mark.parametrize("line", RENDERED)
def test_render_examples_work(line: str, machine: BareMachine, work: Path, material: Path) -> None:
    shutil.copytree(material, work, dirs_exist_ok=True)
    done = run_offline(machine, work, script_of(line))
    assert done.code == 0, done.text
    check_rendered(line, work)
    if "--json" in line:
        events = [json.loads(entry)["event"] for entry in done.out.splitlines()]
        assert (events[0], events[-1]) == ("started", "done")


@pytest.mark.parametrize("line", SCORED)
def test_score_examples_work(line: str, machine: BareMachine, work: Path) -> None:
    make_mattes(work)
    done = run_offline(machine, work, line)
    assert done.code == 0, done.text
    # The edge is off by two of 64 columns, which makes a MAD of 31.25 thousandths.
    assert ("31.25" in done.out) == ("--truth" in line)
    lag = re.search(r'(?:Edge lag, frames +|"edge_lag": {"mean": )([0-9.]+)', done.out)
    if "masks/" in line:  # pictures by themselves have no time
        assert lag is None
    else:
        assert lag is not None, done.out
        assert round(float(lag[1]), 3) == (1 if "--picture" in line else 2)


def test_live_run_without_camera_accepts_commands(machine: BareMachine, work: Path, material: Path) -> None:
    shutil.copytree(material, work, dirs_exist_ok=True)
    steps = "\n".join(f'{line} >> steered.log 2>&1; echo "$? {line}"' for line in STEERED)
    script = f"""{LIVE_RUN} > run.log 2>&1 &
        for second in $(seq 120); do livebg status --json | grep -q '"state": "live"' && break; sleep 1; done 2> waiting.log
        {steps}
        {STOP} >> steered.log 2>&1; echo "$? {STOP}"
        wait $!; echo "$? {LIVE_RUN}"
        cat steered.log run.log >&2"""
    done = run_offline(machine, work, script)
    received = [line.split(" ", 1) for line in done.out.splitlines()]
    assert {line: code for code, line in received} == dict.fromkeys([*STEERED, STOP, LIVE_RUN], "0"), done.text
    assert (work / "me.png").is_file()


@pytest.mark.parametrize("line", REFUSED)
def test_unsupported_commands_fail_with_clear_message(line: str, machine: BareMachine, work: Path) -> None:
    done = run_offline(machine, work, line)
    (codes,) = (codes for beginning, codes in REFUSALS.items() if line.startswith(beginning))
    assert done.code in codes, done.text
    assert done.err.startswith("livebg: ")
    assert len(done.err.splitlines()) == 1


def test_doctor_reports_missing_parts_and_fixes(machine: BareMachine, work: Path) -> None:
    done = run_offline(machine, work, "livebg doctor --json")
    checks = {check["check"]: check for check in json.loads(done.out)}
    assert done.code == 1
    assert checks["module"]["status"] == "FAIL"
    assert "sudo apt install v4l2loopback-dkms" in checks["module"]["fix"]
    assert {name for name, check in checks.items() if check["status"] == "FAIL"} <= {"module", "camera"}
    assert "livebg-u2" in done.out
    assert checks["kernels"]["message"].endswith("livebg was installed without compiled kernels")
    assert "Debian: gcc python3-dev" in checks["kernels"]["fix"]
    assert run_offline(machine, work, "livebg devices").code == 0


def test_setup_dry_run_lists_files(machine: BareMachine, work: Path) -> None:
    """With a kernel that has v4l2loopback: its list of modules contains it."""
    release = machine.must("uname -r").strip()
    index = machine.root / "lib" / "modules" / release / "modules.dep"
    index.parent.mkdir(parents=True)
    index.write_text("updates/dkms/v4l2loopback.ko: kernel/drivers/media/v4l2-core/videodev.ko\n")
    done = run_offline(machine, work, "livebg setup --dry-run")
    shutil.rmtree(machine.root / "lib" / "modules")
    assert done.code == 0, done.text
    for name in CARRIED:
        assert f"/{name}" in done.out
    assert f"Exec={COMMANDS}/livebg window" in done.out
    assert f"Exec={COMMANDS}/livebg tray" in done.out
    assert "systemd is not running" in done.out
    assert not (machine.home / ".config" / "systemd").exists()
    assert not (machine.home / ".local" / "share" / "applications").exists()


def test_pull_without_network_fails_with_clear_message(machine: BareMachine, work: Path) -> None:
    done = run_offline(machine, work, "livebg models pull u2netp")
    assert done.code == 5, done.text
    assert "Connect to the internet and run `livebg models pull u2netp` again" in done.err


def test_debian_pipx_installs_livebg(machine: BareMachine) -> None:
    machine.must(pipx_apt_line(), user="root")
    machine.must(install_line("pipx"), folder=CLONE)
    assert "render" in machine.must(f"{HOME}/.local/bin/livebg --help")


def passed(machine: BareMachine, line: str) -> tuple[int, Done]:
    """How many tests the line ran, all successfully, and its output."""
    done = machine.run(line, folder=CLONE, limit=SUITE_LIMIT)
    assert done.code == 0, done.text
    reported = re.search(r"(\d+) passed", done.out.splitlines()[-1])
    assert reported, done.text
    return int(reported[1]), done


def test_test_line_runs_the_tests_successfully(machine: BareMachine) -> None:
    count, done = passed(machine, try_lines()[1])
    assert count > FEWEST_TESTS
    # What cannot be tried there is skipped with a reason.
    assert all(re.match(r"SKIPPED \[\d+\] \S+: .{10}", line) for line in done.out.splitlines() if line.startswith("SKIPPED"))


def test_desktop_tests_pass_with_debian_packages(machine: BareMachine) -> None:
    """Its PipeWire, portal, browsers, panel and GTK are others than this machine's may be."""
    machine.must(f"apt-get install -qq --no-install-recommends {' '.join(DESKTOP.split())}", user="root")
    line = try_lines()[1].replace("pytest", "pytest -m 'pipewire or desktop'")
    count, done = passed(machine, line)
    assert count >= FEWEST_OF_A_DESKTOP, done.text
