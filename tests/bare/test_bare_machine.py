"""On a Debian 12 with nothing installed, what the README says leads to what the README says."""

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from livebg.setup.resources import APP_ID
from tests.bare.examples import LIVE_RUN, REFUSALS, REFUSED, RENDERED, SCORED, STEERED, STOP, check_rendered
from tests.bare.machine import HOME, BareMachine, Done, bare_machine, committed_copy, missing
from tests.bare.material import make_material, make_mattes
from tests.bare.readme import CHECKOUT, apt_line, apt_line_of_pipx, keeping_line, try_lines
from tests.bare.sources import sources_of_this_machine
from tests.support.decoding import rgb_of

CLONE = f"{HOME}/livebg"
COMMANDS = f"{CLONE}/.venv/bin"
SUITE_LIMIT = 3600.0
"""Seconds for all tests, on a machine that has other things to do."""
FEWEST_TESTS = 1500
"""So many pass at least: they are not skipped as a whole."""
DESKTOP = """dbus-daemon pipewire-bin wireplumber gstreamer1.0-tools gstreamer1.0-plugins-base gstreamer1.0-plugins-good
    gstreamer1.0-pipewire xdg-desktop-portal-gtk libglib2.0-bin xvfb chromium firefox-esr python3-gi gir1.2-gtk-3.0
    gir1.2-ayatanaappindicator3-0.1 xfce4-panel librsvg2-common xdotool imagemagick systemd procps"""
"""What the tests of PipeWire, tray and preview look at livebg with."""
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
    """What the README's first line said."""
    return machine.run(try_lines()[0], folder=CLONE)


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the examples name."""
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
    for left in (folder, machine.home / ".local" / "state"):  # what was chosen is remembered
        shutil.rmtree(left, ignore_errors=True)


def say(machine: BareMachine, work: Path, script: str) -> Done:
    """What a reader of the README says there, without any network: livebg needs none."""
    machine.give(work)
    done = machine.run(script, folder=f"{HOME}/{work.name}", path=COMMANDS, network=False)
    assert "Traceback" not in done.err, done.text
    return done


def test_one_line_installs_livebg_and_shows_it(machine: BareMachine, shown: Done) -> None:
    assert shown.code == 0, shown.text
    assert re.search(r"demo\.mp4 and demo\.png: \d+ frames", shown.err + shown.out)
    demo = rgb_of(machine.home / "livebg" / "demo.mp4")
    assert len(demo) == 270
    assert all(picture.std() > 20 for picture in demo)
    assert (machine.home / "livebg" / "demo.png").stat().st_size > 100_000


@pytest.mark.parametrize("line", RENDERED)
def test_files_are_rendered_as_in_the_examples(line: str, machine: BareMachine, work: Path, material: Path) -> None:
    shutil.copytree(material, work, dirs_exist_ok=True)
    done = say(machine, work, line)
    assert done.code == 0, done.text
    check_rendered(line, work)
    if "--json" in line:
        events = [json.loads(said)["event"] for said in done.out.splitlines()]
        assert (events[0], events[-1]) == ("started", "done")


@pytest.mark.parametrize("line", SCORED)
def test_mattes_are_scored_as_in_the_examples(line: str, machine: BareMachine, work: Path) -> None:
    make_mattes(work)
    done = say(machine, work, line)
    assert done.code == 0, done.text
    # The edge is off by two of 64 columns, which makes a MAD of 31.25 thousandths.
    assert ("31.25" in done.out) == ("--truth" in line)
    lag = re.search(r'(?:Edge lag, frames +|"edge_lag": {"mean": )([0-9.]+)', done.out)
    if "masks/" in line:  # pictures by themselves have no time
        assert lag is None
    else:
        assert lag is not None, done.out
        assert round(float(lag[1]), 3) == (1 if "--picture" in line else 2)


def test_a_call_without_a_camera_does_what_it_is_told(machine: BareMachine, work: Path, material: Path) -> None:
    shutil.copytree(material, work, dirs_exist_ok=True)
    steps = "\n".join(f'{line} >> said.log 2>&1; echo "$? {line}"' for line in STEERED)
    script = f"""{LIVE_RUN} > run.log 2>&1 &
        for second in $(seq 120); do livebg status --json | grep -q '"state": "live"' && break; sleep 1; done 2> waiting.log
        {steps}
        {STOP} >> said.log 2>&1; echo "$? {STOP}"
        wait $!; echo "$? {LIVE_RUN}"
        cat said.log run.log >&2"""
    done = say(machine, work, script)
    said = [line.split(" ", 1) for line in done.out.splitlines()]
    assert {line: code for code, line in said} == dict.fromkeys([*STEERED, STOP, LIVE_RUN], "0"), done.text
    assert (work / "me.png").is_file()


@pytest.mark.parametrize("line", REFUSED)
def test_what_a_bare_machine_cannot_do_is_refused_in_a_sentence(line: str, machine: BareMachine, work: Path) -> None:
    done = say(machine, work, line)
    (codes,) = (codes for beginning, codes in REFUSALS.items() if line.startswith(beginning))
    assert done.code in codes, done.text
    assert done.err.startswith("livebg: ")
    assert len(done.err.splitlines()) == 1


def test_the_doctor_says_what_is_missing_and_what_mends_it(machine: BareMachine, work: Path) -> None:
    done = say(machine, work, "livebg doctor --json")
    checks = {check["check"]: check for check in json.loads(done.out)}
    assert done.code == 1
    assert checks["module"]["status"] == "FAIL"
    assert "sudo apt install v4l2loopback-dkms" in checks["module"]["fix"]
    assert {name for name, check in checks.items() if check["status"] == "FAIL"} <= {"module", "camera"}
    assert "livebg-u2" in done.out
    assert say(machine, work, "livebg devices").code == 0


def test_setup_finds_what_it_installs(machine: BareMachine, work: Path) -> None:
    """With a kernel that has v4l2loopback: the list of its modules says so."""
    release = machine.must("uname -r").strip()
    index = machine.root / "lib" / "modules" / release / "modules.dep"
    index.parent.mkdir(parents=True)
    index.write_text("updates/dkms/v4l2loopback.ko: kernel/drivers/media/v4l2-core/videodev.ko\n")
    done = say(machine, work, "livebg setup --dry-run")
    shutil.rmtree(machine.root / "lib" / "modules")
    assert done.code == 0, done.text
    for name in CARRIED:
        assert f"/{name}" in done.out
    assert f"Exec={COMMANDS}/livebg tray" in done.out
    assert "systemd is not running" in done.out
    assert not (machine.home / ".config" / "systemd").exists()
    assert not (machine.home / ".local" / "share" / "applications").exists()


def test_what_has_to_be_downloaded_is_told_where_there_is_no_network(machine: BareMachine, work: Path) -> None:
    done = say(machine, work, "livebg models pull u2netp")
    assert done.code == 5, done.text
    assert "connect to the internet and run `livebg models pull u2netp` again" in done.err


def test_debians_own_pipx_puts_livebg_on_the_path(machine: BareMachine) -> None:
    machine.must(apt_line_of_pipx(), user="root")
    machine.must(keeping_line("pipx"), folder=CLONE)
    assert "render" in machine.must(f"{HOME}/.local/bin/livebg --help")


def passed(machine: BareMachine, line: str) -> tuple[int, Done]:
    """How many tests the line ran, all with success, and what it said."""
    done = machine.run(line, folder=CLONE, limit=SUITE_LIMIT)
    assert done.code == 0, done.text
    told = re.search(r"(\d+) passed", done.out.splitlines()[-1])
    assert told, done.text
    return int(told[1]), done


def test_one_line_runs_the_tests_and_they_pass(machine: BareMachine) -> None:
    count, done = passed(machine, try_lines()[1])
    assert count > FEWEST_TESTS
    # What cannot be tried there says why.
    assert all(re.match(r"SKIPPED \[\d+\] \S+: .{10}", line) for line in done.out.splitlines() if line.startswith("SKIPPED"))


def test_what_needs_a_desktop_passes_with_this_debians(machine: BareMachine) -> None:
    """Its PipeWire, portal, browsers, panel and GTK are others than this machine's may be."""
    machine.must(f"apt-get install -qq --no-install-recommends {' '.join(DESKTOP.split())}", user="root")
    line = try_lines()[1].replace("pytest", "pytest -m 'pipewire or desktop'")
    count, done = passed(machine, line)
    assert count >= FEWEST_OF_A_DESKTOP, done.text
