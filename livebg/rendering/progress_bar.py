"""One progress bar for all files of a render."""

from rich.console import Console
from rich.progress import Progress, ProgressColumn, Task
from rich.progress_bar import ProgressBar as RichBar
from rich.text import Text

from livebg.rendering.progress import RenderProgress
from livebg.rendering.report_text import format_time

_WIDTH = 40
"""Columns."""


class ProgressBar:
    """Shows ``progress`` on a terminal, until it is stopped; nothing elsewhere. Lines that the console prints appear above it."""

    def __init__(self, progress: RenderProgress, console: Console) -> None:
        columns = (_Name(progress), _Bar(progress), _Figures(progress))
        self._bar = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
        self._bar.add_task("")

    def start(self) -> None:
        self._bar.start()

    def refresh(self) -> None:
        self._bar.refresh()

    def stop(self) -> None:
        """May be called more than once."""
        self._bar.stop()


class _Column(ProgressColumn):
    """Shows something of all files, whatever the task of rich."""

    def __init__(self, progress: RenderProgress) -> None:
        super().__init__()
        self._progress = progress


class _Name(_Column):
    def render(self, _task: Task) -> Text:
        done, files = self._progress.files
        return Text(f"{done} of {files} files" if files > 1 else self._progress.name)


class _Bar(_Column):
    def render(self, task: Task) -> RichBar:
        share = self._progress.share
        return RichBar(1.0, share or 0.0, _WIDTH, pulse=share is None, animation_time=task.get_time())


class _Figures(_Column):
    def render(self, _task: Task) -> Text:
        return Text(figures(self._progress) if self._progress.name else "")


def figures(progress: RenderProgress) -> str:
    """Return the share, the speed and the remaining time, as far as they are known: ``42 %  51.3 fps  12:34 left``."""
    share, remaining = progress.share, progress.remaining_s
    parts = [] if share is None else [f"{share:4.0%}".replace("%", " %")]
    if progress.fps:  # an analysis finishes no frame
        parts.append(f"{progress.fps:5.1f} {'photos/s' if progress.photos_only else 'fps'}")
    return "  ".join(parts if remaining is None else [*parts, f"{format_time(remaining)} left"])
