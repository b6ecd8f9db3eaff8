"""A SIMtrace2 board in card emulation mode: what its firmware does, without wires and USB.

One card slot. `receive` takes the host's messages, `bulk_in` and `interrupt_in` hold what the
host has not fetched yet; the modem's side are the contacts and the octets on its I/O line.
"""

from collections import deque
from collections.abc import Callable
from enum import Enum

from remsimd.errors import FrontendError
from remsimd.sim.frontends import cardem_protocol as usb
from remsimd.sim.frontends.cardem_protocol import DataFlag, Feature, StatusFlag

NULL = b"\x60"
"""The procedure byte that only asks for more time (ISO 7816-3 10.3.3)."""
BUFFERS = 4
BUFFER_OCTETS = 256
RX_OCTETS = BUFFER_OCTETS - usb.HEADER.size - usb.DATA_HEAD.size
"""What fits of the modem's data into one message; more is split."""
PTSS = 0xFF
DEFAULT_ATR = b"\x3b\x00"
DEFAULT_WI = 10


class State(Enum):
    """What the card does, as the firmware's state machine has it."""

    OFF = "off"
    """No supply, no clock, or RST low."""
    HEADER = "header"
    """The octets of a TPDU header, or of a protocol selection, are collected."""
    PROCEDURE = "procedure"
    """The host has the header and shall say how it goes on."""
    DATA = "data"
    """The modem sends the command's data."""
    ANSWER = "answer"
    """The host sends the card's answer."""


class CardemBoard:
    """`to_modem` hears the octets the card sends, `on_message` that a message waits.

    Each queue has room for four; the oldest is lost when one more comes, as in the firmware.
    What the host sends while no TPDU waits for it is `dropped`, and counted.
    """

    def __init__(
        self,
        *,
        to_modem: Callable[[bytes], None] = lambda octets: None,
        on_message: Callable[[], None] = lambda: None,
        on_modem_reset: Callable[[usb.ModemReset], None] = lambda reset: None,
    ) -> None:
        self.to_modem = to_modem
        self.on_message = on_message
        self.on_modem_reset = on_modem_reset
        self.bulk_in: deque[bytes] = deque(maxlen=BUFFERS)
        self.interrupt_in: deque[bytes] = deque(maxlen=BUFFERS)
        self.atr = DEFAULT_ATR
        self.inserted = False
        self.remote = False
        self.dropped = 0
        self.state = State.OFF
        self._features = Feature(0)
        self._vcc, self._clk, self._rst_low = False, False, True
        self._f_index, self._d_index = 1, 1
        self._collected = b""
        self._missing = 0
        self._tpdu_header = b""

    # The host's side

    def receive(self, transfer: bytes) -> None:
        """One USB transfer of the host; what is not a message is dropped."""
        try:
            message = usb.decode(transfer)
        except FrontendError:
            self.dropped += 1
            return
        match message:
            case usb.TxData(flags, data):
                self._transmit(flags, data)
            case usb.SetAtr(atr):
                self.atr = atr
            case usb.StatusRequest():
                self._send(self._status())
            case usb.CardInsert(inserted):
                self.inserted = inserted
            case usb.Config(features):
                self._features = features
                self._send(message)
            case usb.SimSelect(remote):
                self.remote = remote
            case usb.ModemReset():
                self.on_modem_reset(message)
            case _:
                self.dropped += 1

    def _send(self, message: usb.Message, *, interrupt: bool = False) -> None:
        (self.interrupt_in if interrupt else self.bulk_in).append(usb.encode(message))
        self.on_message()

    def _transmit(self, flags: DataFlag, data: bytes) -> None:
        if self.state not in (State.PROCEDURE, State.ANSWER) or not data:
            self.dropped += 1
            return
        # The state first: the modem may send its data as soon as it hears the procedure byte.
        if flags & DataFlag.PB_AND_RX:
            # P3 = 0 stands for 256 here, whichever way the data goes.
            self.state, self._collected, self._missing = State.DATA, b"", self._tpdu_header[4] or 256
        elif flags & DataFlag.FINAL:
            self.state, self._collected = State.HEADER, b""
        else:
            self.state = State.ANSWER
        self.to_modem(data)

    # The modem's side

    @property
    def active(self) -> bool:
        """Whether the card runs: supply and clock are there and RST is high."""
        return self._vcc and self._clk and not self._rst_low

    def contacts(
        self, *, vcc: bool | None = None, clk: bool | None = None, rst_low: bool | None = None
    ) -> None:
        """The modem drives these contacts; a card that comes out of reset sends its ATR."""
        before = (self._vcc, self._clk, self._rst_low)
        self._vcc = self._vcc if vcc is None else vcc
        self._clk = self._clk if clk is None else clk
        self._rst_low = self._rst_low if rst_low is None else rst_low
        if before == (self._vcc, self._clk, self._rst_low):
            return
        if not self._vcc or self._rst_low:
            self.state, self._collected = State.OFF, b""
        starts = self.state is State.OFF and self.active
        if starts:
            self.state, self._collected = State.HEADER, b""
            self._f_index, self._d_index = 1, 1
        if self._features & Feature.STATUS_ON_INTERRUPT:
            self._send(self._status(), interrupt=True)
        if starts and self.remote:
            self.to_modem(self.atr)

    def _status(self) -> usb.Status:
        flags = StatusFlag(0)
        for holds, flag in (
            (self._vcc, StatusFlag.VCC),
            (self._clk, StatusFlag.CLK),
            (self._rst_low, StatusFlag.RESET),
            (self.remote, StatusFlag.REMOTE),
        ):
            flags |= flag if holds else StatusFlag(0)
        return usb.Status(
            flags,
            f_index=self._f_index,
            d_index=self._d_index,
            wi=DEFAULT_WI,
            waiting_time=DEFAULT_WI * 960 * self._f_index,
        )

    def hear(self, octets: bytes) -> None:
        """Octets of the modem on the I/O line; those that the card does not expect are lost."""
        for octet in octets:
            if self.state is State.HEADER and self.remote:
                self._header(octet)
            elif self.state is State.DATA:
                self._data(octet)

    def half_waiting_time(self) -> None:
        """Half of the waiting time went by without an octet: the modem is asked for patience."""
        if self.state in (State.PROCEDURE, State.ANSWER):
            self.to_modem(NULL)

    def _header(self, octet: int) -> None:
        self._collected += bytes((octet,))
        if self._collected[0] == PTSS:
            self._select_protocol()
        elif len(self._collected) == 5:
            self._tpdu_header, self.state = self._collected, State.PROCEDURE
            self._send(usb.RxData(DataFlag.TPDU_HEADER, self._collected))

    def _select_protocol(self) -> None:
        """Any request is agreed to once it is complete (ISO 7816-3 9.2)."""
        request = self._collected
        if len(request) < 2 or len(request) < 3 + (request[1] >> 4 & 0x07).bit_count():
            return
        self._collected = b""
        checksum = 0
        for octet in request:
            checksum ^= octet
        if checksum:
            return
        if request[1] & 0x10:
            self._f_index, self._d_index = request[2] >> 4, request[2] & 0x0F
        self._send(usb.Pts(request, request))
        self.to_modem(request)

    def _data(self, octet: int) -> None:
        self._collected += bytes((octet,))
        self._missing -= 1
        if self._missing == 0:
            self.state = State.ANSWER
            self._send(usb.RxData(DataFlag.FINAL, self._collected))
        elif len(self._collected) == RX_OCTETS:
            self._send(usb.RxData(DataFlag(0), self._collected))
            self._collected = b""
