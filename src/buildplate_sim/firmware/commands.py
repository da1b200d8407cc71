"""What each G-code does on the simulated board; a generator for what takes its time."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from buildplate_sim.firmware.board import Board
    from buildplate_sim.firmware.words import Words

Steps = Generator[float, None, "str | None"]
Done = Steps | str | None
"""Over at once, with or without words behind the `ok`; or waits of so many seconds."""

HOME_S, PROBE_S = 4.0, 8.0
LOOK_S = 0.25
HOLD_S = 3.0
WITHIN = 2.0
FOREVER_S = 3600.0


class Commands:
    """The commands of one board, by code."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self._known: dict[str, Callable[[Words], Done]] = {
            "G0": self._move,
            "G1": self._move,
            "G2": self._move,
            "G3": self._move,
            "G4": self._dwell,
            "G20": lambda _: self._scale(25.4),
            "G21": lambda _: self._scale(1.0),
            "G28": self._home,
            "G29": self._probe,
            "G90": lambda _: self._modes(absolute=True),
            "G91": lambda _: self._modes(absolute=False),
            "G92": self._place,
            "M0": self._wait_for_user,
            "M1": self._wait_for_user,
            "M17": lambda _: None,
            "M18": self._motors_off,
            "M82": lambda _: self._extruder_mode(absolute=True),
            "M83": lambda _: self._extruder_mode(absolute=False),
            "M84": self._motors_off,
            "M104": self._heat,
            "M105": lambda _: self._reply("M105", [board.temperatures()]),
            "M106": self._fan,
            "M107": self._fan_off,
            "M108": lambda _: None,
            "M109": self._heat_and_wait,
            "M110": lambda _: None,
            "M112": lambda _: board.kill(),
            "M114": self._where,
            "M115": self._identity,
            "M117": self._show,
            "M118": self._echo,
            "M140": self._heat,
            "M141": self._heat,
            "M155": self._autoreport,
            "M190": self._heat_and_wait,
            "M191": self._heat_and_wait,
            "M220": self._pace,
            "M221": self._flow,
            "M290": self._baby_step,
            "M400": lambda _: self._drained(),
            "M410": lambda _: board.machine.quick_stop(),
            "M503": lambda _: None,
            "M600": self._change_filament,
            "M876": lambda _: None,
            "M73": lambda _: None,
            "M75": lambda _: None,
            "M76": lambda _: None,
            "M77": lambda _: None,
            "M201": lambda _: None,
            "M203": lambda _: None,
            "M204": lambda _: None,
            "M205": lambda _: None,
            "M413": lambda _: None,
            "M900": lambda _: None,
            **{f"M{code}": self._card for code in range(20, 28)},
        }
        for missing in board.dialect.absent:
            self._known.pop(missing, None)

    def run(self, words: Words) -> Done:
        """Carry a command out."""
        call = self._known.get(words.code)
        if call is not None:
            return call(words)
        if words.code.startswith("T"):
            return self._tool(words)
        self._board.lines(*self._board.dialect.unknown(words.line))
        return None

    # --- motion

    def _move(self, words: Words) -> Done:
        board, machine = self._board, self._board.machine
        cold = words.get("E") is not None and machine.heat.cold(machine.pose.tool)
        if cold:
            board.lines("echo: cold extrusion prevented")
        if machine.planner_free() > 0:
            machine.move(words, cold=cold)
            return None
        return self._move_later(words, cold=cold)

    def _move_later(self, words: Words, *, cold: bool) -> Steps:
        machine = self._board.machine
        while machine.planner_free() <= 0:
            yield machine.next_free()
        machine.move(words, cold=cold)
        return None

    def _drained(self) -> Steps:
        machine = self._board.machine
        while not machine.still():
            yield machine.next_free()
        return None

    def _dwell(self, words: Words) -> Steps:
        yield from self._drained()
        seconds = (words.get("S") or 0.0) + (words.get("P") or 0.0) / 1000
        yield from self._pass(seconds)
        return None

    def _pass(self, seconds: float) -> Steps:
        """So much time, however often it is looked at meanwhile."""
        pulse = self._board.pulse
        until = pulse.now + seconds
        while pulse.now < until - 1e-9:
            yield until - pulse.now
        return None

    def _home(self, words: Words) -> Steps:
        yield from self._drained()
        axes = {axis for axis in "XYZ" if words.has(axis)} or set("XYZ")
        yield from self._pass(HOME_S * len(axes) / 3)
        self._board.machine.home(axes)
        return None

    def _probe(self, _: Words) -> Steps:
        yield from self._drained()
        yield from self._pass(PROBE_S)
        return None

    def _place(self, words: Words) -> Done:
        self._board.machine.pose.place(words)
        return None

    def _modes(self, *, absolute: bool) -> Done:
        pose = self._board.machine.pose
        pose.absolute = pose.absolute_e = absolute
        return None

    def _extruder_mode(self, *, absolute: bool) -> Done:
        self._board.machine.pose.absolute_e = absolute
        return None

    def _scale(self, scale: float) -> Done:
        self._board.machine.pose.scale = scale
        return None

    def _motors_off(self, _: Words) -> Steps:
        yield from self._drained()
        self._board.machine.motors_off()
        return None

    def _baby_step(self, words: Words) -> Done:
        z = words.get("Z")
        self._board.machine.pose.baby_z += z if z is not None else words.get("S") or 0.0
        return None

    def _pace(self, words: Words) -> Done:
        pose = self._board.machine.pose
        if words.get("S") is not None:
            pose.pace = max(1.0, words.get("S") or 0.0) / 100
            return None
        self._board.lines(f"FR:{pose.pace * 100:.0f}%")
        return None

    def _flow(self, words: Words) -> Done:
        pose = self._board.machine.pose
        if words.get("S") is not None:
            pose.flow = (words.get("S") or 0.0) / 100
            return None
        self._board.lines(f"echo:E{pose.tool} Flow: {pose.flow * 100:.0f}%")
        return None

    # --- heat and air

    def _heater(self, words: Words) -> str | None:
        heaters = self._board.machine.heat.heaters
        if words.code in {"M140", "M190"}:
            name = "bed"
        elif words.code in {"M141", "M191"}:
            name = "chamber"
        else:
            tool = words.get("T")
            name = f"tool{int(self._board.machine.pose.tool if tool is None else tool)}"
        return name if name in heaters else None

    def _heat(self, words: Words) -> Done:
        name, target = self._heater(words), words.get("S")
        if name is None:
            self._board.lines("echo:Invalid extruder" if words.code == "M104" else "echo:No heater")
            return None
        if target is not None and not self._board.tripped:
            self._board.machine.heat.aim(name, target)
        return None

    def _heat_and_wait(self, words: Words) -> Done:
        name = self._heater(words)
        if name is None:
            return self._heat(words)
        cooling, target = words.get("R"), words.get("S")
        wanted = cooling if cooling is not None else target
        if wanted is None or self._board.tripped:
            return None
        self._board.machine.heat.aim(name, wanted)
        return self._until_hot(name, wanted, also_cooling=cooling is not None)

    def _until_hot(self, name: str, target: float, *, also_cooling: bool) -> Steps:
        board = self._board
        board.urgent.discard("108")
        said, held = board.pulse.now, 0.0
        while "108" not in board.urgent:
            heater = board.machine.heat.now()[name]
            off = heater.reading - target
            near = abs(off) < WITHIN or (off > 0 and not also_cooling)
            if near and held >= HOLD_S:
                break
            if board.pulse.now >= said:
                said += 1.0
                left = round(HOLD_S - held) if near else None
                heaters = board.machine.heat.now()
                board.lines(board.dialect.waiting(heaters, board.machine.pose.tool, left))
            before = board.pulse.now
            yield LOOK_S
            held = held + board.pulse.now - before if near else 0.0
        board.urgent.discard("108")
        return None

    def _fan(self, words: Words) -> Done:
        speed = words.get("S")
        share = (255.0 if speed is None else speed) / 255
        self._board.machine.pose.fan[int(words.get("P") or 0)] = min(1.0, max(0.0, share))
        return None

    def _fan_off(self, words: Words) -> Done:
        self._board.machine.pose.fan[int(words.get("P") or 0)] = 0.0
        return None

    # --- talk

    def _reply(self, code: str, texts: Sequence[str]) -> Done:
        """Say a report, on the line of the `ok` where the dialect has it there."""
        if code in self._board.dialect.in_ok:
            return "\n".join(texts)
        self._board.lines(*texts)
        return None

    def _autoreport(self, words: Words) -> Done:
        if not self._board.dialect.autoreport:
            self._board.lines(*self._board.dialect.unknown(words.line))
            return None
        self._board.report_every(words.get("S") or 0.0)
        return None

    def _where(self, _: Words) -> Done:
        board = self._board
        return self._reply("M114", board.dialect.position(board.machine.pose))

    def _identity(self, _: Words) -> Done:
        return self._reply("M115", self._board.dialect.identity())

    def _show(self, words: Words) -> Done:
        self._board.machine.message = words.rest
        return None

    def _echo(self, words: Words) -> Done:
        text, prefix = words.rest, ""
        for flag, said in (("E1 ", "echo:"), ("A1 ", "//")):
            if text.startswith(flag):
                text, prefix = text[len(flag) :], prefix + said
        self._board.lines(prefix + text)
        return None

    def _tool(self, words: Words) -> Done:
        tool, board = int(words.code[1:].partition(".")[0]), self._board
        if f"tool{tool}" not in board.machine.heat.heaters:
            board.lines(f"echo:T{tool} Invalid extruder")
            return None
        board.machine.pose.tool = tool
        board.lines(f"echo:Active Extruder: {tool}")
        return None

    # --- waits for a person

    def _wait_for_user(self, words: Words) -> Done:
        return self._user(words, "M0/1 Break Called")

    def _user(self, words: Words, prompt: str) -> Steps:
        board = self._board
        yield from self._drained()
        seconds = (words.get("S") or 0.0) + (words.get("P") or 0.0) / 1000
        until = board.pulse.now + (seconds or float("inf"))
        board.urgent.clear()
        board.busy_reason = "paused for user"
        if board.dialect.host_actions:
            board.lines(
                f"//action:prompt_begin {prompt}",
                "//action:prompt_button Continue",
                "//action:prompt_show",
            )
        while not board.urgent and board.pulse.now < until:
            yield min(FOREVER_S, until - board.pulse.now)
        board.urgent.clear()
        if board.dialect.host_actions:
            board.lines("//action:prompt_end")
        return None

    def _change_filament(self, words: Words) -> Done:
        if self._board.dialect.host_actions:
            self._board.lines("//action:paused")
        return self._changed(words)

    def _changed(self, words: Words) -> Steps:
        yield from self._user(words, "Filament Change")
        if self._board.dialect.host_actions:
            self._board.lines("//action:resumed")
        return None

    def _card(self, words: Words) -> Done:
        board = self._board
        if not board.dialect.setup.sd_card:
            board.lines(*board.dialect.unknown(words.line))
            return None
        board.lines(*board.dialect.card(words.code, words.rest))
        return None
