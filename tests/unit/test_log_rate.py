"""The log has a bounded number of lines of each kind and of each logger, and counts what it leaves out."""

import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from authserver.operations.logs import LineRate, configure_logging
from authserver.settings.values import LogSettings


class FullDisk(io.StringIO):
    def write(self, _text: str) -> int:
        raise OSError(28, "No space left on device")


def line(logger: str = "authserver.refusals", *, reason: str = "wrong_secret", **more: object) -> logging.LogRecord:
    return logging.LogRecord(logger, logging.INFO, "a.py", 1, {"event": "refused", "reason": reason, **more}, (), None)


def passed(rate: LineRate, count: int, at: float, record: logging.LogRecord) -> int:
    return sum(rate.admit(record, at) is not None for _ in range(count))


def test_of_one_kind_twenty_lines_pass_at_once_and_then_one_in_five_seconds():
    rate = LineRate()
    assert passed(rate, 1000, 100.0, line()) == 20
    assert passed(rate, 10, 104.0, line()) == 0
    assert rate.admit(line(), 105.1) == 990, "what was left out is counted"
    assert passed(rate, 3_600, 3_705.0, line()) == 20


def test_a_flood_of_one_reason_does_not_hide_another():
    rate = LineRate()
    passed(rate, 1000, 100.0, line())
    assert passed(rate, 1, 100.0, line(reason="unknown_client")) == 1


def test_of_one_logger_a_hundred_lines_pass_at_once_and_then_one_a_second():
    rate = LineRate()
    everything = [line(reason=f"reason {number}") for number in range(50)] * 20
    assert sum(rate.admit(record, 100.0) is not None for record in everything) == 100
    assert sum(rate.admit(record, 110.1) is not None for record in everything) == 10


def test_what_the_bound_of_the_logger_leaves_out_is_counted_for_its_kind():
    rate = LineRate()
    for number in range(100):
        rate.admit(line(reason=f"reason {number}"), 100.0)
    assert passed(rate, 7, 100.0, line()) == 0
    assert rate.admit(line(), 101.1) == 7


def test_a_flood_in_one_logger_leaves_the_others_alone():
    rate = LineRate()
    for number in range(1000):
        rate.admit(line(reason=f"reason {number}"), 100.0)
    assert passed(rate, 1, 100.0, line("authserver.housekeeping")) == 1
    failures = [line("authserver.errors", exc_info=error) for error in (ValueError(), KeyError())]
    assert [passed(rate, 30, 100.0, failure) for failure in failures] == [20, 20]


def test_errors_of_another_type_are_another_kind_for_the_error_that_is_handled_too():
    rate, passing = LineRate(), []
    for error in (KeyError(), ZeroDivisionError()):
        try:
            raise error
        except Exception:  # noqa: BLE001 - as log.exception() is called
            passing.append(passed(rate, 30, 100.0, line("authserver.housekeeping", exc_info=True)))
    assert passing == [20, 20]


def test_an_audit_event_is_never_left_out():
    rate = LineRate()
    assert passed(rate, 1000, 100.0, line("authserver.audit")) == 1000


@pytest.fixture
def handler() -> Iterator[logging.StreamHandler[io.StringIO]]:
    """The handler of a log that is configured as a server does it; lost lines are counted in `lost`."""
    lost.clear()
    configure_logging(LogSettings(), on_lost=lambda: lost.append(1))
    (made,) = logging.getLogger().handlers
    assert isinstance(made, logging.StreamHandler)
    yield made
    logging.getLogger().handlers.clear()
    logging.getLogger().setLevel(logging.WARNING)


lost: list[int] = []


def test_the_next_line_says_how_many_were_left_out(handler: logging.StreamHandler[io.StringIO]):
    written = io.StringIO()
    handler.setStream(written)
    (bound,) = handler.filters
    assert isinstance(bound, LineRate)
    refusals, library = structlog.get_logger("test.refusals"), logging.getLogger("test.library")

    def flood(count: int) -> None:
        for number in range(count):
            refusals.info("refused", reason="wrong_secret")
            library.warning("a library complains about %d", number)

    flood(25)
    bound._kinds._rate = 1e9  # as if a long time had passed
    flood(1)
    lines = [json.loads(text) for text in written.getvalue().splitlines()]
    assert len(lines) == 42
    assert [entry.get("left_out_before") for entry in lines[:-2]] == [None] * 40
    assert lines[-2]["left_out_before"] == 5
    assert lines[-1]["event"] == "a library complains about 0 (5 more of this kind were left out before)"


def test_a_line_that_cannot_be_written_is_counted_and_breaks_nothing(
    handler: logging.StreamHandler[io.StringIO], capsys: pytest.CaptureFixture[str]
):
    handler.setStream(FullDisk())
    structlog.get_logger("test.refusals").info("refused", reason="wrong_secret")
    assert len(lost) == 1
    assert capsys.readouterr().err == ""
