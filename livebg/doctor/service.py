"""Checks of livebg itself: settings, systemd service and the running daemon."""

import re
import sys
from typing import Final

from livebg import __version__
from livebg.config.loading import default_config_path
from livebg.doctor.context import CheckContext, Finding, fail, from_error, ok, skipped, warn
from livebg.doctor.kernel_module import SETUP
from livebg.errors import NotRunningError
from livebg.platform.user_paths import is_file
from livebg.setup.package import is_packaged
from livebg.setup.resources import UNIT
from livebg.setup.target import COMMAND

_SHOW_LOG: Final = f"journalctl --user --unit={UNIT} --lines=20"
_PROPERTIES: Final = "LoadState,UnitFileState,ActiveState,SubState,Result,ExecMainStatus,NRestarts,ExecStart,FragmentPath"
_EXIT_REASONS: Final = {
    "2": "its settings are invalid or conflict",
    "3": "its camera or file cannot be read",
    "4": "the virtual camera cannot be written",
    "5": "the model is missing or damaged",
    "203": "its program does not exist at the path in the unit",
}
"""Meaning of the exit codes of `livebg run`, and of those that systemd adds."""
_BAD_LOAD_STATES: Final = {"masked": "is masked", "bad-setting": "is not valid", "error": "cannot be read"}


def configuration(context: CheckContext) -> Finding:
    """Check that the configuration file and environment variables are valid."""
    if context.config_error:
        return from_error(context.config_error)
    path = context.config or default_config_path()
    return ok(f"{path} is valid" if path and is_file(path) else "No configuration file, so the defaults apply")


def installation(context: CheckContext) -> Finding:
    """Report how this livebg was installed, and whether a package has another one."""
    if not is_packaged(context.host):
        return ok(f"livebg is installed in {sys.prefix}")
    if context.command == (COMMAND,):
        return ok("livebg is installed for all users, by the package livebg")
    found = f"This is the livebg in {sys.prefix}, but the package livebg is installed too, as {COMMAND}"
    return warn(found, f"Use {COMMAND}, and uninstall one of them")


def unit(context: CheckContext) -> Finding:
    """Check that the user service is installed, enabled and running."""
    shown = context.host.commands.run("systemctl", "--user", "show", UNIT, f"--property={_PROPERTIES}")
    if shown.code:
        why = (shown.err.strip().splitlines() or ["systemctl failed"])[0]
        return skipped(f"The systemd user manager is not available ({why})")
    properties = dict(line.split("=", 1) for line in shown.out.splitlines() if "=" in line)
    problem = _BAD_LOAD_STATES.get(properties.get("LoadState", ""))
    if problem:
        return fail(f"The service {UNIT} {problem}", f"systemctl --user status {UNIT}")
    if properties.get("LoadState") != "loaded":
        return warn("livebg is not installed as a service, so it must be started manually", SETUP)
    # systemd writes "{ path=/usr/bin/livebg ; argv[]=/usr/bin/livebg run ; ... }".
    program = re.search(r"\bpath=(.+?) ; ", properties.get("ExecStart", ""))
    if program and not context.host.path(program[1]).exists():
        return fail(f"The service starts {program[1]}, which does not exist", SETUP)
    path = properties.get("FragmentPath", "")
    finding = _state_finding(properties)
    if finding.status == "ok" and is_packaged(context.host) and not path.startswith(("/usr/", "/etc/", "/run/")):
        return warn(f"{finding.message}, but {path} replaces that of the package livebg", SETUP)
    return finding


def running(context: CheckContext) -> Finding:
    """Report the state of the running livebg."""
    now = context.running
    if now.error is not None:
        finding = from_error(now.error)
        is_passing = isinstance(now.error, NotRunningError)  # it is starting or stopping
        return warn(finding.message, finding.fix) if is_passing else finding
    if now.status is None:
        return warn("livebg is not running, so the virtual camera has no picture", "livebg run, or systemctl --user start livebg")
    status = now.status
    what = f"livebg (pid {status.pid}) is {status.state}{f': {status.reason}' if status.reason else ''}"
    if status.state in ("camera lost", "stalled"):
        return warn(what, "livebg status --watch")
    if status.last_error:
        return ok(f"{what}; the last error was {status.last_error.seconds_ago:.0f} s ago: {status.last_error.text}")
    return ok(what)


def version(context: CheckContext) -> Finding:
    """Check that the running livebg has the installed version."""
    status = context.running.status
    if status is None or status.version == __version__:
        return ok(f"livebg {__version__}{', same as the running one' if status else ''}")
    found = f"livebg {status.version} is running, but livebg {__version__} is installed"
    return warn(found, "livebg stop && livebg run, or systemctl --user restart livebg")


def _state_finding(properties: dict[str, str]) -> Finding:
    state, result = properties.get("ActiveState", ""), properties.get("Result", "success")
    restarts = int(properties.get("NRestarts") or 0)
    if result == "start-limit-hit":
        fix = f"{_SHOW_LOG}, then systemctl --user reset-failed {UNIT} && systemctl --user start {UNIT}"
        return fail("The service failed so often that systemd no longer restarts it", fix)
    if state == "failed" or result != "success":
        code = properties.get("ExecMainStatus", "0")
        why = _EXIT_REASONS.get(code, f"{result}, exit code {code}")
        return fail(f"The service failed: {why}", _SHOW_LOG)
    if properties.get("UnitFileState") not in ("enabled", "enabled-runtime"):
        return warn("The service is installed but does not start at login", f"systemctl --user enable {UNIT}")
    if state not in ("active", "activating", "reloading"):
        return warn("The service is enabled but not running", f"systemctl --user start {UNIT}")
    if restarts:
        return warn(f"The service is running, but was restarted {restarts} times since login", _SHOW_LOG)
    return ok("The service is enabled and running")
