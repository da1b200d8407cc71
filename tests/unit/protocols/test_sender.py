"""Lines are numbered once, sent as far ahead as the firmware allows, and resent from the log."""

from __future__ import annotations

from buildplate.protocols.marlin import (
    Answered,
    Block,
    Conversation,
    OutOfStep,
    Sender,
    SendLimits,
    block_of,
    checksum,
    cleaned,
    numbered,
)
from buildplate.protocols.marlin.sender import CAUTIOUS_LINES, FORGETFUL, MOST_RESENDS, MOST_WILD

LINES_BEFORE = CAUTIOUS_LINES - 1
"""The numbering itself is one of the first, cautious lines."""


def ready(window: int | None = None, receive_bytes: int = 127, lines: int = 200) -> Conversation:
    """A conversation past its first numbers, with a stream of short lines waiting."""
    conversation = Conversation(SendLimits(window, receive_bytes=receive_bytes))
    conversation.begin()
    sender = conversation.sender
    assert conversation.to_send(0.0) == b"N0 M110 N0*125\n"
    sender.took(None, 0.0)
    sender.flowing = True
    sender.feed(block_of([b"G1 X%d" % n for n in range(1, lines + 1)], 1))
    for _ in range(LINES_BEFORE):
        conversation.to_send(0.0)
        sender.took(None, 0.0)
    return conversation


def test_numbers_and_checksums_are_those_of_the_reprap_wiki() -> None:
    assert numbered(3, b"T0") == b"N3 T0*57\n"
    assert numbered(4, b"G92 E0") == b"N4 G92 E0*67\n"


def test_the_checksum_of_long_lines_is_the_same_sum() -> None:
    for size in (0, 1, 31, 63, 64, 65, 200):
        body = bytes(range(32, 32 + 90))[:size] * (1 + size // 90)
        expected = 0
        for byte in body:
            expected ^= byte
        assert checksum(body) == expected


def test_comments_blanks_numbers_and_old_checksums_are_left_out() -> None:
    assert cleaned(b"  G1 X1 ; outer wall\r\n") == b"G1 X1"
    assert cleaned(b"N12 G1 X1*55\n") == b"G1 X1"
    assert cleaned(b"; comment") == cleaned(b"(comment)") == cleaned(b"%") == cleaned(b"\t ") == b""
    block = block_of([b"; a", b"", b"G28", b"M110 N0", b"M1101", b"G1 X1"], 10)
    assert (block.codes, block.where) == ([b"G28", b"M1101", b"G1 X1"], [12, 14, 15])


def test_a_wait_for_a_person_ends_a_block_and_is_not_sent() -> None:
    block = block_of([b"G28", b"M0 swap the plate", b"G1 X1", b"M104 S0"], 1)
    assert block.codes == [b"G28"]
    assert (block.pause, block.rest, block.last_line) == (
        "swap the plate",
        [b"G1 X1", b"M104 S0"],
        2,
    )
    assert block_of([b"M104 S0", b"M105", b"M1000", b"M01"], 1).pause == ""


def test_texts_for_the_display_fit_a_command_buffer() -> None:
    (code,) = block_of([b"M117 " + b"x" * 200], 1).codes
    assert len(numbered(9_999_999, code)) <= 96


def test_one_line_is_under_way_until_the_firmware_tells_of_its_room() -> None:
    conversation = ready()
    assert conversation.to_send(1.0).count(b"\n") == 1
    assert conversation.to_send(1.0) == b""
    conversation.receive(b"ok N12 P15 B3\n", 1.0)
    assert conversation.sender.window == 4
    assert conversation.to_send(1.0).count(b"\n") == 4


def test_the_receive_buffer_bounds_the_bytes_under_way() -> None:
    conversation = ready(window=16, receive_bytes=60)
    first, _, behind = conversation.to_send(1.0).partition(b"\n")
    assert first
    assert 1 < behind.count(b"\n") < 16
    assert len(behind) <= 60


def test_the_next_lines_go_out_together_once_half_of_what_fits_was_answered() -> None:
    conversation = ready(window=16, receive_bytes=60)
    fits = conversation.to_send(1.0).count(b"\n")
    sent = []
    for number in range(LINES_BEFORE + 1, LINES_BEFORE + 13):
        out = conversation.exchange(b"ok N%d P15 B3\n" % number, 1.0)
        assert out is not None
        assert conversation.sender.unanswered > 0, "the board is never left without a line"
        sent.append(out.count(b"\n"))
    assert fits == 4
    assert set(sent[::2]) == {0}, sent
    assert min(sent[1::2]) >= fits // 2, sent


def test_a_line_longer_than_the_receive_buffer_still_goes_alone() -> None:
    conversation = ready(window=4, receive_bytes=60, lines=LINES_BEFORE)
    conversation.sender.feed(Block([b"M118 " + b"y" * 75, b"G28"], [1, 2], 2))
    assert conversation.to_send(1.0).count(b"\n") == 1


def test_a_command_goes_before_the_next_line_and_over_a_full_window() -> None:
    conversation = ready(window=2)
    first = conversation.to_send(1.0)
    assert first.count(b"\n") == 2
    conversation.sender.command(b"M220 S50", "pace")
    assert b"M220 S50" in conversation.to_send(1.0)
    conversation.sender.command(b"M105")
    assert conversation.to_send(1.0) == b"", "one command over the window, not more"
    events = []
    for number in (12, 13, 14):
        events = conversation.receive(b"ok N%d P15 B3\n" % number, 1.0)
    assert events == [Answered("pace")]
    following = conversation.to_send(1.0)
    assert following.startswith(b"N15 M105*")
    assert b"N16 G1 X14*" in following


def test_a_resend_is_a_step_back_and_then_one_line_at_a_time() -> None:
    conversation = ready(window=4)
    sent = conversation.to_send(1.0).splitlines(keepends=True)
    assert len(sent) == 4
    conversation.receive(b"ok\nResend: 13\nok\n", 1.0)
    assert conversation.to_send(1.0) == b"", "answers to lines that are lost may still come"
    assert conversation.to_send(2.0) == b"\n" + sent[1]
    assert conversation.to_send(2.0) == b""
    conversation.receive(b"ok\n", 2.0)
    assert conversation.to_send(2.0) == sent[2]


def test_a_resend_counts_nothing_twice() -> None:
    conversation = ready(window=4)
    before = conversation.sender.accepted
    conversation.to_send(1.0)
    conversation.receive(b"ok\nok\nok\n", 1.0)
    conversation.receive(b"Resend: 13\nok\n", 1.0)
    assert conversation.sender.accepted == before + 1
    assert conversation.sender.line == LINES_BEFORE + 1


def test_a_lost_answer_is_asked_for_with_the_oldest_line() -> None:
    conversation = ready()
    line = conversation.to_send(1.0)
    assert conversation.due() == 1.0 + 5.0
    conversation.tick(5.9)
    assert conversation.to_send(5.9) == b""
    conversation.tick(6.0)
    assert conversation.to_send(6.0) == b"\n" + line
    conversation.receive(b"Error:Line Number is not Last Line Number+1\nResend: 13\nok\n", 6.1)
    assert b"N13 " in conversation.to_send(7.0)


def test_signs_of_work_are_waited_for() -> None:
    conversation = ready()
    conversation.to_send(1.0)
    conversation.receive(b"echo:busy: processing\n", 5.0)
    conversation.tick(9.0)
    assert conversation.to_send(9.0) == b""
    conversation.receive(b" T:20.0 /200.0\n", 9.5)
    conversation.tick(14.0)
    assert conversation.to_send(14.0) == b"", "a report nobody asked for shows a wait for heat"
    conversation.reports_by_itself = True
    conversation.receive(b" T:20.0 /200.0\n", 14.2)
    conversation.tick(14.6)
    assert conversation.to_send(14.6), "reports that come anyway show nothing"


def test_a_firmware_that_waits_has_lost_a_line() -> None:
    conversation = ready()
    line = conversation.to_send(1.0)
    conversation.receive(b"wait\n", 1.01)
    assert conversation.to_send(1.01) == b"", "it may have crossed the line"
    conversation.receive(b"wait\n", 2.0)
    assert conversation.to_send(2.0) == b"\n" + line


def test_a_firmware_that_wants_old_lines_was_reset_and_gets_none() -> None:
    conversation = ready()
    for at in range(MOST_WILD):
        assert conversation.to_send(2.0 + at) or at == 0
        events = conversation.receive(b"Resend: 1\nok\n", 2.0 + at)
        assert not any(isinstance(event, OutOfStep) for event in events), "it may be spoilt"
    conversation.to_send(9.0)
    events = conversation.receive(b"Resend: 1\nok\n", 9.0)
    assert any(isinstance(event, OutOfStep) for event in events)
    assert LINES_BEFORE > FORGETFUL
    conversation.stop()
    assert conversation.to_send(9.0) == b""


def test_a_request_that_is_repeated_before_its_line_is_sent_counts_once() -> None:
    conversation = ready()
    line = conversation.to_send(1.0)
    for at in range(3 * MOST_RESENDS):
        assert not [
            event
            for event in conversation.receive(b"Resend:12\nok\n", 1.0 + at / 1000)
            if isinstance(event, OutOfStep)
        ]
    assert conversation.to_send(1.06) == b"\n" + line, "nor does it put the line off"


def test_a_bare_answer_is_none_where_answers_have_numbers() -> None:
    conversation = ready()
    conversation.to_send(1.0)
    conversation.receive(b"ok 12\n", 1.0)
    line = conversation.to_send(1.0)
    conversation.receive(b"skip 13\nok\n", 1.01)
    assert conversation.sender.unanswered == 1
    conversation.tick(1.6)
    assert conversation.to_send(1.6) == b"\n" + line


def test_a_line_that_is_refused_for_ever_ends_the_stream() -> None:
    conversation = ready()
    now, events = 1.0, []
    for _ in range(MOST_RESENDS + 1):
        now += 1.0
        conversation.to_send(now)
        events = conversation.receive(b"Resend: 12\nok\n", now)
    assert any(isinstance(event, OutOfStep) for event in events)


def test_a_paused_stream_sends_commands_alone() -> None:
    conversation = ready()
    conversation.sender.flowing = False
    assert conversation.to_send(1.0) == b""
    conversation.sender.command(b"M114")
    assert conversation.to_send(1.0) == numbered(12, b"M114")
    conversation.receive(b"ok\n", 1.0)
    conversation.sender.flowing = True
    assert conversation.to_send(1.0) == numbered(13, b"G1 X12")


def test_the_log_stays_short() -> None:
    conversation = ready(window=8, receive_bytes=1000, lines=LINES_BEFORE)
    sender = conversation.sender
    for at in range(0, 20_000, 200):
        sender.feed(block_of([b"G1 X%d" % n for n in range(200)], at + 1))
        while sent := conversation.to_send(1.0):
            conversation.receive(b"ok\n" * sent.count(b"\n"), 1.0)
    assert sender.accepted == 20_000 + LINES_BEFORE
    assert len(sender._log) < 5000


def test_an_answer_without_a_line_changes_nothing() -> None:
    sender = Sender(SendLimits())
    sender.took(None, 0.0)
    sender.took(7, 0.0)
    assert sender.strays == 2
    assert sender.to_send(0.0) == b"N0 M110 N0*125\n"


def test_a_numbering_that_is_refused_for_a_while_is_not_a_printer_that_forgot() -> None:
    """The firmware counts on from its former life until M110 has come through."""
    sender = Sender(SendLimits())
    for turn in range(10):
        sender.to_send(turn * 1.0)
        sender.wants(412, turn * 1.0)
    assert sender.events == []
    assert sender.to_send(11.0).lstrip() == b"N0 M110 N0*125\n"


def test_a_report_is_answered_by_an_ok_without_a_number_though_others_have_one() -> None:
    conversation = ready()
    sender = conversation.sender
    sender.flowing = False
    last = LINES_BEFORE
    sender.command(b"G4 P1")
    sender.command(b"M105", "heat")
    assert conversation.to_send(1.0).count(b"\n") == 1
    conversation.receive(b"ok N%d P15 B3\n" % (last + 1), 1.0)
    assert conversation.to_send(1.0).endswith(b"M105*%d\n" % checksum(b"N%d M105" % (last + 2)))
    assert Answered("heat") not in conversation.receive(b"ok\n", 1.0)
    assert Answered("heat") in conversation.receive(b"ok T:20.0 /0.0 B:20.0 /0.0\n", 1.0)
    sender.command(b"M114", "where")
    assert conversation.to_send(1.0)
    assert conversation.receive(b"ok T:20.0 /0.0 B:20.0 /0.0\n", 1.0) != [Answered("where")]
    assert sender.unanswered == 1
