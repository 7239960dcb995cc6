"""The contributors' guide, the hooks and CI name commands, files and tests that exist."""

import re
from pathlib import Path

from tests.bare.readme import PAGES, try_lines

ROOT = Path(__file__).parents[2]
CI = (ROOT / ".ci" / "run").read_text("utf-8")


def test_ci_runs_commands_of_pre_commit_hooks() -> None:
    hooks = re.findall(r"^ +entry: (.+)$", (ROOT / ".pre-commit-config.yaml").read_text("utf-8"), re.MULTILINE)
    assert [hook.split()[0] for hook in hooks] == ["ruff", "ruff", "mypy", "codespell"]
    for hook in hooks:
        assert f"\n.venv/bin/{hook}" in CI


def test_ci_finds_test_command_in_readme() -> None:
    (pattern,) = re.findall(r"grep -m 1 '([^']+)' README\.md", CI)
    first = next(line for line in (ROOT / "README.md").read_text("utf-8").splitlines() if pattern in line)
    assert first == try_lines()[1]
    assert first in PAGES["CONTRIBUTING"].splitlines()


def test_workflow_calls_ci_run() -> None:
    workflow = (ROOT / ".github" / "workflows" / "ci.yml").read_text("utf-8")
    assert "run: .ci/run\n" in workflow


def test_named_tests_exist() -> None:
    named = set(re.findall(r"`(tests/[\w/]+\.py)`", PAGES["CONTRIBUTING"]))
    assert len(named) >= 5
    assert [name for name in sorted(named) if not (ROOT / name).is_file()] == []


def test_bug_form_asks_for_diagnostics() -> None:
    form = (ROOT / ".github" / "ISSUE_TEMPLATE" / "bug.yml").read_text("utf-8")
    assert "livebg doctor --json" in form
