import pytest

from livebg.doctor.context import from_error
from livebg.errors import LivebgError, SourceError


@pytest.mark.parametrize(
    ("hint", "text"), [(None, "It broke (a. B: c)."), ("Fix it. Try again.", "It broke (a. B: c). Fix it. Try again.")]
)
def test_error_has_message_and_hint(hint: str | None, text: str) -> None:
    error = SourceError("It broke (a. B: c).", hint)
    assert (str(error), error.message, error.hint) == (text, "It broke (a. B: c).", hint)


def test_finding_takes_fix_from_hint() -> None:
    finding = from_error(SourceError("It broke (a. B: c).", "Fix it. Try again."))
    assert (finding.status, finding.message, finding.fix) == ("FAIL", "It broke (a. B: c)", "Fix it. Try again")
    assert from_error(LivebgError("It broke: no reason.")).fix is None
