"""Looks for problems, and performs the fix of the one whose button was clicked."""

from collections.abc import Callable, Sequence
from typing import Any

from gi.repository import Gdk

from livebg.window.i18n import translate
from livebg.window.problems import FixKind, Problem
from livebg.window.services import SETUP_COMMAND, Services
from livebg.window.shell import Toasts


class Fixes:
    """The problems that the doctor found last. ``activate`` performs an action of the window by name.

    Each function in :attr:`on_problems` is called with the problems whenever they were looked for.
    """

    def __init__(self, services: Services, window: Any, toasts: Toasts, activate: Callable[[str], object]) -> None:
        self._services, self._window, self._toasts, self._activate = services, window, toasts, activate
        self._problems: tuple[Problem, ...] = ()
        self.on_problems: Sequence[Callable[[Sequence[Problem]], object]] = ()

    @property
    def needs_setup(self) -> bool:
        """Whether `livebg setup` fixes one of the problems."""
        return any(SETUP_COMMAND in problem.fix for problem in self._problems)

    def check(self) -> None:
        """Run the doctor and show the problems it finds."""
        self._services.in_background(self._services.find_problems, self._show)

    def fix(self, problem: Problem) -> None:
        """Start what fixes the problem, or copy the step for the user."""
        match problem.kind:
            case FixKind.START | FixKind.RESTART:
                self._activate(problem.kind.name.lower())
            case FixKind.RUN:
                self.run(problem.command)
            case FixKind.COPY:
                self._copy(problem.fix)

    def run(self, command: str) -> None:
        """Run a shell command in a terminal window. Without a known terminal it is copied."""
        if not self._services.run_in_terminal(command):
            self._copy(self._services.readable_command(command))

    def _show(self, problems: tuple[Problem, ...]) -> None:
        self._problems = problems
        for show in self.on_problems:
            show(problems)

    def _copy(self, text: str) -> None:
        self._window.get_clipboard().set_content(Gdk.ContentProvider.new_for_value(text))
        self._toasts.show(translate("Copied: {text}").format(text=text))
