"""Real cards in PC/SC readers, as the bankd uses them: T=0, TPDU by TPDU, through libpcsclite."""

import ctypes
import re
from types import TracebackType
from typing import Any, Self

LIBRARY = "libpcsclite.so.1"
SCOPE_SYSTEM, SHARE_EXCLUSIVE, PROTOCOL_T0 = 2, 1, 1
RESET_CARD, UNPOWER_CARD = 1, 2
NO_READERS = 0x8010002E
ANSWER_OCTETS = 258
ATR_OCTETS, NAME_OCTETS = 33, 128


class PcscError(Exception):
    """A PC/SC call failed; `code` is its SCARD_ value."""

    def __init__(self, call: str, code: int) -> None:
        super().__init__(f"{call}: {code:#010x}")
        self.code = code


class _IoRequest(ctypes.Structure):
    _fields_ = [("protocol", ctypes.c_ulong), ("octets", ctypes.c_ulong)]


class PcscCard:
    """One card, ours alone until `close`; the calls block for as long as the card thinks."""

    def __init__(self, library: ctypes.CDLL, context: ctypes.c_long, reader: str) -> None:
        self.reader = reader
        self._library = library
        self._card = ctypes.c_long()
        self._protocol = ctypes.c_ulong()
        _call(
            library, "SCardConnect", context, reader.encode(), SHARE_EXCLUSIVE, PROTOCOL_T0,
            ctypes.byref(self._card), ctypes.byref(self._protocol),
        )  # fmt: skip

    @property
    def atr(self) -> bytes:
        """The ATR of the last reset."""
        state, length = ctypes.c_ulong(), ctypes.c_ulong(ATR_OCTETS)
        atr = ctypes.create_string_buffer(ATR_OCTETS)
        name, name_length = ctypes.create_string_buffer(NAME_OCTETS), ctypes.c_ulong(NAME_OCTETS)
        _call(
            self._library, "SCardStatus", self._card, name, ctypes.byref(name_length), ctypes.byref(state),
            ctypes.byref(self._protocol), atr, ctypes.byref(length),
        )  # fmt: skip
        return atr.raw[: length.value]

    def reset(self) -> None:
        """A cold reset; raises PcscError where the card does not come back."""
        _call(
            self._library, "SCardReconnect", self._card, SHARE_EXCLUSIVE, PROTOCOL_T0, UNPOWER_CARD,
            ctypes.byref(self._protocol),
        )  # fmt: skip

    def transmit(self, tpdu: bytes) -> bytes:
        """The answer (data, SW1, SW2) to one command TPDU; raises PcscError where none came."""
        pci = _IoRequest(PROTOCOL_T0, ctypes.sizeof(_IoRequest))
        answer, length = ctypes.create_string_buffer(ANSWER_OCTETS), ctypes.c_ulong(ANSWER_OCTETS)
        _call(
            self._library, "SCardTransmit", self._card, ctypes.byref(pci), tpdu, ctypes.c_ulong(len(tpdu)),
            None, answer, ctypes.byref(length),
        )  # fmt: skip
        return answer.raw[: length.value]

    def close(self) -> None:
        """Give the card back, reset."""
        self._library.SCardDisconnect(self._card, RESET_CARD)


class Readers:
    """The readers of this host, from `with` to its end. Raises PcscError or OSError without a pcscd."""

    def __enter__(self) -> Self:
        self._library = ctypes.CDLL(LIBRARY)
        self._context = ctypes.c_long()
        self._cards: list[PcscCard] = []
        _call(self._library, "SCardEstablishContext", SCOPE_SYSTEM, None, None, ctypes.byref(self._context))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for card in self._cards:
            card.close()
        self._library.SCardReleaseContext(self._context)

    def names(self) -> tuple[str, ...]:
        """Every reader, with a card or without."""
        length = ctypes.c_ulong()
        try:
            _call(self._library, "SCardListReaders", self._context, None, None, ctypes.byref(length))
        except PcscError as error:
            if error.code == NO_READERS:
                return ()
            raise
        names = ctypes.create_string_buffer(length.value)
        _call(self._library, "SCardListReaders", self._context, None, names, ctypes.byref(length))
        return tuple(name.decode() for name in names.raw.split(b"\0") if name)

    def cards(self, wanted: str) -> tuple[PcscCard | None, ...]:
        """The readers whose name the regular expression finds, in order; None for one without a T=0 card."""
        found: list[PcscCard | None] = []
        for name in self.names():
            if re.search(wanted, name) is None:
                continue
            try:
                card = PcscCard(self._library, self._context, name)
            except PcscError:
                found.append(None)
                continue
            self._cards.append(card)
            found.append(card)
        return tuple(found)


def _call(library: ctypes.CDLL, function: str, *arguments: Any) -> None:
    code = getattr(library, function)(*arguments) & 0xFFFFFFFF
    if code:
        raise PcscError(function, code)
