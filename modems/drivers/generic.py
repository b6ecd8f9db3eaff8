"""A modem that speaks TS 27.007 and nothing else; every vendor's driver starts from it."""

import logging
from typing import ClassVar

from modems.at import parse
from modems.at.channel import Channel, Priority
from modems.at.fields import named
from modems.driver import Driver
from modems.errors import AtError, AtTimeout, ParseError, PortGone
from modems.facts import (
    Cell,
    Fact,
    Identity,
    Registration,
    RegistrationState,
    Signal,
    Sim,
    SimState,
    Technology,
)

log = logging.getLogger(__name__)

MODE_TIMEOUT_S = 3.0  # switches a mode of the AT interpreter itself
VALUE_TIMEOUT_S = 5.0  # answered from the modem's memory; 300 ms in vendors' manuals, slower while it boots
SIM_TIMEOUT_S = 10.0  # may read the card
OPERATOR_TIMEOUT_S = 15.0  # AT+COPS? waits for a running network selection on some firmware
RADIO_TIMEOUT_S = 15.0  # AT+CFUN, 15 s in vendors' manuals
RESET_TIMEOUT_S = 5.0  # the OK before a restart; it may never come

NAME_FORM, PLMN_FORM = "AT+COPS=3,0", "AT+COPS=3,2"  # how AT+COPS? prints the network


class GenericDriver(Driver):
    """TS 27.007, with the liberties real modems take."""

    name: ClassVar[str] = "generic"

    setup_commands: ClassVar[tuple[str, ...]] = (
        "ATE1",  # an echo anchors the answer: what comes before it is late output
        "AT+CMEE=1",  # errors as numbers
        "AT+CEREG=2",  # registration URCs with the cell
        "AT+C5GREG=2",
        "AT+CGEREP=2,1",  # detach by the network (+CGEV)
        PLMN_FORM,
    )
    """Sent by setup(), each allowed to fail: no modem knows them all."""

    reset_commands: ClassVar[tuple[str, ...]] = ("AT+CFUN=1,1",)
    """Ways to restart the modem, the likeliest first."""

    iccid_commands: ClassVar[tuple[str, ...]] = ("AT+CCID", "AT+ICCID")
    """Ways to read the ICCID, the likeliest first; TS 27.007 has only the first."""

    def __init__(self, channel: Channel) -> None:
        super().__init__(channel)
        self._operator_names: dict[str, str | None] = {}
        self._refused: set[str] = set()

    async def setup(self) -> None:
        self.channel.urc_names = self.urc_names
        self._refused.clear()
        for command in self.setup_commands:
            await self._set_mode(command)

    async def identity(self) -> Identity:
        return Identity(
            manufacturer=await self._identification("+CGMI"),
            model=await self._identification("+CGMM"),
            firmware=await self._identification("+CGMR"),
            imei=parse.imei(await self._read_either("AT+CGSN")),
        )

    async def sim(self) -> Sim:
        state = await self._sim_state()
        if state in {SimState.ABSENT, SimState.BUSY, SimState.FAILURE}:
            return Sim(state)
        iccid = await self._iccid()
        if state is not SimState.READY:
            return Sim(state, iccid)
        return Sim(state, iccid, parse.imsi(await self._read_either("AT+CIMI", timeout_s=SIM_TIMEOUT_S)))

    async def registration(self) -> Registration:
        cell = await self._cell_registration()
        if not cell.state.registered:
            return Registration(cell.state)
        operator = await self._operator()
        # +CEREG shows the LTE anchor of a dual connectivity; only +COPS tells it from plain LTE.
        dual = operator.technology is Technology.NR_NSA
        return Registration(
            state=cell.state,
            technology=operator.technology if dual else cell.technology or operator.technology,
            operator=await self._operator_name(operator),
            plmn=operator.plmn,
        )

    async def signals(self) -> tuple[Signal, ...]:
        if line := await self._optional_line("AT+CESQ", "+CESQ"):
            measured = parse.cesq(line)
            if measured:
                return measured
        signal = parse.csq(await self._line("AT+CSQ", "+CSQ"))
        return (signal,) if signal.measured else ()

    async def cells(self) -> tuple[Cell, ...]:
        cell = await self._cell_registration()
        if not cell.state.registered or cell.technology is None:
            return ()
        operator = await self._operator()
        return (Cell(cell.technology, plmn=operator.plmn, tac=cell.tac, cell_id=cell.cell_id),)

    async def set_radio(self, on: bool) -> None:
        await self.channel.run(f"AT+CFUN={1 if on else 4}", timeout_s=RADIO_TIMEOUT_S)

    async def reset(self) -> None:
        *others, last = self.reset_commands
        for command in others:
            try:
                await self._restart(command)
            except AtError as error:
                log.debug("%s: %s", self.channel.port.name, error)
            else:
                return
        await self._restart(last)

    def on_urc(self, line: str) -> Fact | None:
        try:
            # +CREG and +CGREG tell of domains that packet service on LTE and NR does not need.
            if named(line, "+CEREG", "+C5GREG") is not None:
                report = parse.registration(line)
                return Registration(report.state, report.technology)
            if named(line, "+CPIN") is not None:
                return Sim(parse.sim_state(line))
        except ParseError as error:
            log.debug("%s: %s", self.channel.port.name, error)
            return None
        if (event := named(line, "+CGEV")) is not None and event.upper().startswith(
            ("NW DETACH", "ME DETACH")
        ):
            return Registration(RegistrationState.UNREGISTERED)
        return None

    async def _read(self, command: str, *, timeout_s: float = VALUE_TIMEOUT_S) -> tuple[str, ...]:
        """Ask for lines of any shape."""
        return await self.channel.run(command, timeout_s=timeout_s, priority=Priority.POLL)

    async def _line(self, command: str, prefix: str, *, timeout_s: float = VALUE_TIMEOUT_S) -> str:
        """Ask for one line named `prefix`; of several the last, for a URC in between is the news."""
        lines = await self.channel.run(command, timeout_s=timeout_s, prefix=prefix, priority=Priority.POLL)
        if not lines:
            raise ParseError(f"{prefix} answer", "no line")
        return lines[-1]

    async def _optional_line(
        self, command: str, prefix: str, *, timeout_s: float = VALUE_TIMEOUT_S
    ) -> str | None:
        """Ask as _line() does, but only until the modem has refused the command once for good."""
        if command in self._refused:
            return None
        try:
            return await self._line(command, prefix, timeout_s=timeout_s)
        except AtError as error:
            # A number other than "not supported" is about the moment (no SIM, no network), not the command.
            if error.code in {None, 4, 50, 100}:
                self._refused.add(command)
            return None

    async def _read_either(self, command: str, *, timeout_s: float = VALUE_TIMEOUT_S) -> tuple[str, ...]:
        """Ask with the action form, and when that is refused with the query form, as MediaTek has it."""
        try:
            return await self._read(command, timeout_s=timeout_s)
        except AtError as error:
            if parse.sim_state_of_error(error.code) is not None:
                raise
            return await self._read(command + "?", timeout_s=timeout_s)

    async def _identification(self, name: str) -> str | None:
        try:
            lines = await self._read_either(f"AT{name}")
        except AtError:
            return None
        return parse.text(lines, name)

    async def _sim_state(self) -> SimState:
        try:
            return parse.sim_state(await self._line("AT+CPIN?", "+CPIN", timeout_s=SIM_TIMEOUT_S))
        except AtError as error:
            state = parse.sim_state_of_error(error.code)
            if state is None:
                raise
            return state

    async def _iccid(self) -> str | None:
        for command in self.iccid_commands:
            if command in self._refused:
                continue
            try:
                return parse.iccid(await self._read(command, timeout_s=SIM_TIMEOUT_S))
            except AtError as error:
                if error.code in {None, 4}:
                    self._refused.add(command)
        return None

    async def _cell_registration(self) -> parse.CellRegistration:
        """Ask the newest domain first and take the first that is registered, else the last asked."""
        found: parse.CellRegistration | None = None
        for name in ("+C5GREG", "+CEREG"):
            if line := await self._optional_line(f"AT{name}?", name):
                found = parse.registration(line)
                if found.state.registered:
                    return found
        return found or parse.registration(await self._line("AT+CREG?", "+CREG"))

    async def _operator(self) -> parse.Operator:
        """Ask for the network as a PLMN, whatever form AT+COPS was left in."""
        operator = await self._operator_as_it_comes()
        if operator.name is not None and await self._set_mode(PLMN_FORM):
            return await self._operator_as_it_comes()
        return operator

    async def _operator_as_it_comes(self) -> parse.Operator:
        return parse.operator(await self._line("AT+COPS?", "+COPS", timeout_s=OPERATOR_TIMEOUT_S))

    async def _operator_name(self, operator: parse.Operator) -> str | None:
        """Return the network's name; a PLMN's name does not change, so it is asked for once."""
        plmn = operator.plmn
        if plmn is None:
            return operator.name
        if plmn not in self._operator_names and await self._set_mode(NAME_FORM):
            self._operator_names[plmn] = (await self._operator_as_it_comes()).name
        return self._operator_names.get(plmn)

    async def _set_mode(self, command: str) -> bool:
        """Set a mode that not every modem has; False when this one refuses it."""
        try:
            await self.channel.run(command, timeout_s=MODE_TIMEOUT_S)
        except AtError as error:
            log.debug("%s: %s", self.channel.port.name, error)
            return False
        return True

    async def _restart(self, command: str) -> None:
        """Send a command in whose course the port may vanish."""
        try:
            await self.channel.run(command, timeout_s=RESET_TIMEOUT_S)
        except (AtTimeout, PortGone) as error:
            # Restarting before the OK is out is how some modems do it.
            log.debug("%s: %s", self.channel.port.name, error)
