"""Checks on livebg itself: its settings, its service, and the one that runs."""

import re
from typing import Final

from livebg import __version__
from livebg.config.loading import default_config_path
from livebg.doctor.context import Examination
from livebg.doctor.findings import Finding, fail, failed_by, ok, skipped, warn
from livebg.doctor.kernel_module import SETUP
from livebg.errors import NotRunningError

UNIT: Final = "livebg.service"
_LOG: Final = f"journalctl --user --unit={UNIT} --lines=20"
_ASKED: Final = "LoadState,UnitFileState,ActiveState,SubState,Result,ExecMainStatus,NRestarts,ExecStart"
_ENDS: Final = {
    "2": "its settings ask for what cannot be",
    "3": "its camera or file could not be read",
    "4": "the virtual camera could not be written",
    "5": "the model is missing or damaged",
    "203": "its program is not where the unit says",
}
"""What an exit code of `livebg run`, or of systemd for it, means."""


_WRONG: Final = {"masked": "is masked", "bad-setting": "is not valid", "error": "cannot be read"}


def configuration(exam: Examination) -> Finding:
    """Whether the configuration file and the variables are valid."""
    if exam.config_trouble:
        return failed_by(exam.config_trouble)
    path = exam.config or default_config_path()
    return ok(f"{path} is valid" if path.is_file() else "there is no configuration file, so the defaults hold")


def unit(exam: Examination) -> Finding:
    """Whether the user service is installed, enabled and well."""
    shown = exam.host.commands.run("systemctl", "--user", "show", UNIT, f"--property={_ASKED}")
    if shown.code:
        why = (shown.err.strip().splitlines() or ["systemctl failed"])[0]
        return skipped(f"this session has no systemd to ask ({why})")
    told = dict(line.split("=", 1) for line in shown.out.splitlines() if "=" in line)
    wrong = _WRONG.get(told.get("LoadState", ""))
    if wrong:
        return fail(f"the service {UNIT} {wrong}", f"systemctl --user status {UNIT}")
    if told.get("LoadState") != "loaded":
        return warn("livebg is not installed as a service, so it has to be started by hand", SETUP)
    program = _program(told.get("ExecStart", ""))
    if program and not exam.host.path(program).exists():
        return fail(f"the service starts {program}, which is not there any more", SETUP)
    return _of_state(told)


def running(exam: Examination) -> Finding:
    """How the livebg that runs is."""
    now = exam.running
    if now.trouble is not None:
        finding = failed_by(now.trouble)
        is_passing = isinstance(now.trouble, NotRunningError)  # it is about to listen, or to end
        return warn(finding.found, finding.mend) if is_passing else finding
    if now.status is None:
        return warn("livebg is not running, so nobody sees the virtual camera", "livebg run, or systemctl --user start livebg")
    status = now.status
    what = f"livebg (pid {status.pid}) is {status.state}{f': {status.reason}' if status.reason else ''}"
    if status.state in ("camera lost", "stalled"):
        return warn(what, "livebg status --watch")
    if status.last_error:
        return ok(f"{what}; the last error was {status.last_error.seconds_ago:.0f} s ago: {status.last_error.text}")
    return ok(what)


def version(exam: Examination) -> Finding:
    """Whether the one that runs is this one."""
    status = exam.running.status
    if status is None or status.version == __version__:
        return ok(f"livebg {__version__}{', as the one that runs' if status else ''}")
    found = f"livebg {status.version} runs, and livebg {__version__} is installed"
    return warn(found, "livebg stop && livebg run, or systemctl --user restart livebg")


def _of_state(told: dict[str, str]) -> Finding:
    state, result = told.get("ActiveState", ""), told.get("Result", "success")
    restarts = int(told.get("NRestarts") or 0)
    if result == "start-limit-hit":
        mend = f"{_LOG}, then systemctl --user reset-failed {UNIT} && systemctl --user start {UNIT}"
        return fail("the service failed so often that systemd starts it no more", mend)
    if state == "failed" or result != "success":
        code = told.get("ExecMainStatus", "0")
        why = _ENDS.get(code, f"{result}, exit code {code}")
        return fail(f"the service has failed: {why}", _LOG)
    if told.get("UnitFileState") not in ("enabled", "enabled-runtime"):
        return warn("the service is installed and will not start by itself at the next login", f"systemctl --user enable {UNIT}")
    if state not in ("active", "activating", "reloading"):
        return warn("the service is enabled and not running", f"systemctl --user start {UNIT}")
    if restarts:
        return warn(f"the service runs, and was started again {restarts} times since the login", _LOG)
    return ok("the service is enabled and runs")


def _program(exec_start: str) -> str | None:
    """The path in systemd's ``{ path=/usr/bin/livebg ; argv[]=/usr/bin/livebg run ; ... }``."""
    path = re.search(r"\bpath=(\S+)", exec_start)
    return path[1] if path else None
