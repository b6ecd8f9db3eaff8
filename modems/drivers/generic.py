"""A modem that speaks TS 27.007 and nothing else; every vendor's driver starts from it."""

import logging
from typing import ClassVar

from modems.at import apdu, parse, pdp
from modems.at.channel import Channel, Priority
from modems.at.fields import named
from modems.driver import Driver
from modems.errors import AtError, AtTimeout, ParseError, PortGone
from modems.facts import (
    Cell,
    Fact,
    Identity,
    PdpAddress,
    Registration,
    RegistrationState,
    Serving,
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

FOR_GOOD = frozenset({None, 4, 50, 100})
"""+CME numbers, and plain ERROR, by which a modem says that it does not know the command."""

NAME_FORM, PLMN_FORM = "AT+COPS=3,0", "AT+COPS=3,2"  # how AT+COPS? prints the network


class GenericDriver(Driver):
    """TS 27.007, with the liberties real modems take."""

    name: ClassVar[str] = "generic"

    setup_commands: ClassVar[tuple[str, ...]] = (
        "ATE1",  # an echo anchors the answer: what comes before it is late output
        "AT+CMEE=1",  # errors as numbers
        "AT+CEREG=2",  # registration URCs with the cell
        "AT+C5GREG=2",
        "AT+CGREG=2",
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
        self._operator_names.clear()
        for command in self.setup_commands:
            await self._set_mode(command)

    async def identity(self) -> Identity:
        manufacturer, model, firmware = [
            await self._identification(name) for name in ("+CGMI", "+CGMM", "+CGMR")
        ]
        try:
            imei = await self._imei()
        except AtError:
            if manufacturer is None and model is None:
                raise
            imei = None
        return Identity(manufacturer, model, firmware, imei)

    async def sim(self) -> Sim:
        state = await self._sim_state()
        if state in {SimState.ABSENT, SimState.BUSY, SimState.FAILURE}:
            return Sim(state)
        iccid = await self._iccid()
        if state is not SimState.READY:
            return Sim(state, iccid)
        return Sim(state, iccid, await self._imsi())

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

    async def serving(self) -> Serving:
        return Serving(cells=await self._registered_cells(), signals=await self._measured())

    async def addresses(self) -> tuple[PdpAddress, ...]:
        return pdp.addresses(await self._lines("AT+CGPADDR", "+CGPADDR"))

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
            # +CREG tells of a domain that packet service does not need, and +CGREG is lost by moving to LTE.
            if named(line, "+CEREG", "+C5GREG", "+CGREG") is not None:
                report = parse.registration(line)
                if line.startswith("+CGREG") and not report.state.registered:
                    return None
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
        lines = await self._lines(command, prefix, timeout_s=timeout_s)
        if not lines:
            raise ParseError(f"{prefix} answer", "no line")
        return lines[-1]

    async def _lines(
        self, command: str, prefix: str, *, timeout_s: float = VALUE_TIMEOUT_S
    ) -> tuple[str, ...]:
        """Ask for lines named `prefix`."""
        return await self.channel.run(command, timeout_s=timeout_s, prefix=prefix, priority=Priority.POLL)

    async def _optional(
        self, command: str, prefix: str | None, *, timeout_s: float = VALUE_TIMEOUT_S
    ) -> tuple[str, ...] | None:
        """Ask what not every modem knows; None when it refuses, and no more asking when it does for good."""
        if command in self._refused:
            return None
        try:
            return await self.channel.run(command, timeout_s=timeout_s, prefix=prefix, priority=Priority.POLL)
        except AtError as error:
            # A number other than these is about the moment (no SIM, no network), not the command.
            if error.code in FOR_GOOD:
                self._refused.add(command)
            return None

    async def _optional_line(
        self, command: str, prefix: str, *, timeout_s: float = VALUE_TIMEOUT_S
    ) -> str | None:
        """Ask as _optional() does for one line; of several the last, None for none."""
        lines = await self._optional(command, prefix, timeout_s=timeout_s)
        return lines[-1] if lines else None

    async def _read_either(self, command: str, *, timeout_s: float = VALUE_TIMEOUT_S) -> tuple[str, ...]:
        """Ask with the action form, and when that is refused with the query form, as MediaTek has it."""
        try:
            return await self._read(command, timeout_s=timeout_s)
        except AtError as error:
            if parse.sim_state_of_error(error.code) is not None:
                raise
            return await self._read(command + "?", timeout_s=timeout_s)

    async def _imei(self) -> str:
        try:
            return parse.imei(await self._read_either("AT+CGSN"))
        except AtError:
            return parse.imei(await self._read("AT+GSN"))

    async def _identification(self, name: str) -> str | None:
        """Ask as TS 27.007 has it, as MediaTek has it, and as V.250 had it before both (AT+GMM)."""
        for command in (f"AT{name}", f"AT{name}?", f"AT{name.replace('+C', '+', 1)}"):
            lines = await self._optional(command, None)
            if lines is not None and (found := parse.text(lines, name)) is not None:
                return found
        return None

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
        digits = apdu.bcd_digits(await self._file(apdu.EF_ICCID, 10))
        return parse.iccid((digits,)) if digits else None

    async def _imsi(self) -> str | None:
        try:
            return parse.imsi(await self._read_either("AT+CIMI", timeout_s=SIM_TIMEOUT_S))
        except AtError as error:
            if error.code not in FOR_GOOD:
                raise
        digits = apdu.imsi_digits(await self._file(apdu.EF_IMSI, 9))
        return parse.imsi((digits,)) if digits else None

    async def _file(self, file_id: int, length: int) -> bytes:
        """Read a file of the card past the modem's own commands; empty when that is not possible either."""
        name = f"AT+CRSM={file_id}"
        if name in self._refused:
            return b""
        try:
            answer = await apdu.read_file(self.channel, file_id, length)
        except AtError as error:
            if error.code in FOR_GOOD:
                self._refused.add(name)
            return b""
        return answer.data if answer.ok else b""

    async def _measured(self) -> tuple[Signal, ...]:
        """Ask for the standard measurements, the exact ones first."""
        if line := await self._optional_line("AT+CESQ", "+CESQ"):
            measured = parse.cesq(line)
            if measured:
                return measured
        signal = parse.csq(await self._line("AT+CSQ", "+CSQ"))
        return (signal,) if signal.measured else ()

    async def _registered_cells(self) -> tuple[Cell, ...]:
        """Ask for the cell as the registration names it; a modem that tells no registration has none."""
        try:
            cell = await self._cell_registration()
        except AtError as error:
            log.debug("%s: %s", self.channel.port.name, error)
            return ()
        if not cell.state.registered or cell.technology is None:
            return ()
        operator = await self._operator()
        return (Cell(cell.technology, plmn=operator.plmn, tac=cell.tac, cell_id=cell.cell_id),)

    async def _cell_registration(self) -> parse.CellRegistration:
        """Ask the newest domain first; the first that is registered counts, else the first with a reason."""
        found: parse.CellRegistration | None = None
        for name in ("+C5GREG", "+CEREG", "+CGREG"):
            if line := await self._optional_line(f"AT{name}?", name):
                report = parse.registration(line)
                if report.state.registered:
                    return report
                if found is None or found.state is RegistrationState.UNREGISTERED:
                    found = report
        return found or parse.registration(await self._line("AT+CREG?", "+CREG"))

    async def _operator(self) -> parse.Operator:
        """Ask for the network as a PLMN, whatever form AT+COPS was left in; nothing when it is refused."""
        try:
            operator = await self._operator_as_it_comes()
        except AtError as error:
            log.debug("%s: %s", self.channel.port.name, error)
            return parse.Operator(None, None, None)
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
