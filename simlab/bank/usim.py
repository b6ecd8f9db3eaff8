"""A software USIM that answers T=0 command TPDUs (TS 102 221, TS 31.102, TS 51.011).

It speaks both dialects: class A0 with 9Fxx and the status data of a 2G SIM, class 00 with
61xx and FCP templates. PIN 1 is disabled, there is one logical channel and no toolkit.
"""

from collections.abc import Callable

from simlab.bank.authentication import Authenticator
from simlab.bank.cards import CardData
from simlab.bank.files import ADF_USIM, DF_GSM, MF, USIM_AID, Directory, Elementary, build, fcp, gsm_status

ATR = bytes.fromhex("3b9f96801fc78031a073be21136743200718000001a5")
"""T=0 and T=15, 3 V and 1.8 V, TA1 96, with historical octets of a 3G card."""

OK = 0x9000
WRONG_LENGTH, WRONG_P1P2, UNKNOWN_INS, UNKNOWN_CLA = 0x6700, 0x6B00, 0x6D00, 0x6E00
NO_CHANNELS, SECURITY, CONDITIONS, NO_EF = 0x6881, 0x6982, 0x6985, 0x6986
WRONG_STRUCTURE, NOT_FOUND, NO_RECORD, PIN_UNUSABLE = 0x6981, 0x6A82, 0x6A83, 0x6984
WRONG_DATA, NOTHING_TO_GIVE = 0x6A80, 0x6F00

GSM_WORDS = {
    SECURITY: 0x9804,
    CONDITIONS: 0x9804,
    NO_EF: 0x9400,
    WRONG_STRUCTURE: 0x9408,
    NOT_FOUND: 0x9404,
    NO_RECORD: 0x9402,
    PIN_UNUSABLE: 0x9808,
    WRONG_DATA: WRONG_LENGTH,
}
"""The same refusals in class A0 (TS 51.011 9.4)."""


class Refusal(Exception):  # noqa: N818 - a status word, not an error of the program
    """A command ends with this status word; `right_octets` is the length that would do."""

    def __init__(self, word: int, *, right_octets: int | None = None) -> None:
        super().__init__(f"{word:04X}")
        self.word = word
        self.right_octets = right_octets


class Usim:
    """One card in a reader; its file contents and sequence numbers outlive a reset."""

    def __init__(self, card: CardData) -> None:
        self.atr = ATR
        self.card = card
        self._authenticator = Authenticator(card.k, card.opc)
        self._mf = build(card)
        self._commands: dict[int, Callable[[bytes], bytes]] = {
            0x20: self._pin,
            0x24: self._pin,
            0x26: self._pin,
            0x28: self._pin,
            0x2C: self._pin,
            0x10: self._accept,
            0x12: self._fetch,
            0x14: self._accept,
            0xC2: self._accept,
            0x70: self._manage_channel,
            0x88: self._authenticate,
            0xA4: self._select,
            0xB0: self._read_binary,
            0xB2: self._read_record,
            0xC0: self._get_response,
            0xD6: self._update_binary,
            0xF2: self._status,
        }
        self.reset()

    def reset(self) -> None:
        """Warm or cold reset: the MF is selected, nothing is pending."""
        self._directory = self._mf
        self._file: Elementary | None = None
        self._record = 0
        self._application: Directory | None = None
        self._pending = b""
        self._gsm = False

    def transmit(self, tpdu: bytes) -> bytes:
        """The answer (data, SW1, SW2) to a command TPDU."""
        if len(tpdu) < 5:
            return WRONG_LENGTH.to_bytes(2, "big")
        cla, ins = tpdu[0], tpdu[1]
        self._gsm = cla == 0xA0
        try:
            command = self._command(cla, ins)
            if ins != 0xC0:
                self._pending = b""
            return command(tpdu)
        except Refusal as refusal:
            return self._word(refusal).to_bytes(2, "big")

    def _word(self, refusal: Refusal) -> int:
        right = refusal.right_octets
        if right is not None:
            return (0x6700 if self._gsm else 0x6C00) | (right & 0xFF)
        return GSM_WORDS.get(refusal.word, refusal.word) if self._gsm else refusal.word

    def _command(self, cla: int, ins: int) -> Callable[[bytes], bytes]:
        if cla & 0xF0 not in (0x00, 0x80) and cla != 0xA0:
            raise Refusal(UNKNOWN_CLA)
        if cla != 0xA0 and cla & 0x03:
            raise Refusal(NO_CHANNELS)
        if ins not in self._commands:
            raise Refusal(UNKNOWN_INS)
        return self._commands[ins]

    def _answer(self, data: bytes) -> bytes:
        """Data that the modem fetches with GET RESPONSE."""
        self._pending = data
        return bytes((0x9F if self._gsm else 0x61, len(data) & 0xFF))

    # Selection

    def _select(self, tpdu: bytes) -> bytes:
        p1, p2, data = tpdu[2], tpdu[3], _data(tpdu)
        if self._gsm:
            if p1 or p2:
                raise Refusal(WRONG_P1P2)
            self._enter(self._by_fid(data))
            return self._answer(gsm_status(self._file or self._directory))
        if p2 not in (0x00, 0x04, 0x0C):
            raise Refusal(WRONG_P1P2)
        find = {0x00: self._by_fid, 0x04: self._by_aid, 0x08: self._by_path, 0x09: self._by_path}.get(p1)
        if find is None:
            raise Refusal(WRONG_P1P2)
        self._enter(self._by_path(data, self._directory) if p1 == 0x09 else find(data))
        return _word(OK) if p2 == 0x0C else self._answer(fcp(self._file or self._directory))

    def _enter(self, found: Directory | Elementary) -> None:
        self._record = 0
        if isinstance(found, Elementary):
            self._file = found
            return
        self._file = None
        self._directory = found
        if found.aid is not None:
            self._application = found

    def _by_fid(self, data: bytes) -> Directory | Elementary:
        """The neighbourhood in which an identifier is looked for (TS 102 221 8.4.1)."""
        if len(data) != 2:
            raise Refusal(WRONG_LENGTH)
        fid = int.from_bytes(data, "big")
        here = self._directory
        if fid == MF:
            return self._mf
        if fid == ADF_USIM:
            if self._application is None:
                raise Refusal(NOT_FOUND)
            return self._application
        found = here if fid == here.fid else here.find(fid)
        if found is None and here.parent is not None:
            found = here.parent.find(fid)
            if isinstance(found, Elementary):
                found = None
        if found is None:
            raise Refusal(NOT_FOUND)
        return found

    def _by_aid(self, data: bytes) -> Directory | Elementary:
        # A shortened AID selects the application it begins (TS 102 221 8.5.1.2).
        if not 5 <= len(data) <= len(USIM_AID) or not USIM_AID.startswith(data):
            raise Refusal(NOT_FOUND)
        application = self._mf.find(ADF_USIM)
        if application is None:
            raise Refusal(NOT_FOUND)
        return application

    def _by_path(self, data: bytes, start: Directory | None = None) -> Directory | Elementary:
        if not data or len(data) % 2:
            raise Refusal(WRONG_LENGTH)
        place: Directory | Elementary = start or self._mf
        above = self._directory
        for position in range(0, len(data), 2):
            fid = int.from_bytes(data[position : position + 2], "big")
            if fid == ADF_USIM and self._application is not None:
                place = self._application
                continue
            found = place.find(fid) if isinstance(place, Directory) else None
            if found is None:
                raise Refusal(NOT_FOUND)
            if isinstance(place, Directory):
                above = place
            place = found
        if isinstance(place, Elementary):
            self._directory = above
        return place

    def _status(self, tpdu: bytes) -> bytes:
        p1, p2 = tpdu[2], tpdu[3]
        if self._gsm:
            return _outgoing(gsm_status(self._directory), tpdu, part=True)
        if p1 > 2 or p2 not in (0x00, 0x01, 0x0C):
            raise Refusal(WRONG_P1P2)
        if p2 == 0x0C:
            return _word(OK)
        aid = self._application.aid if self._application and self._application.aid else b""
        return _outgoing(fcp(self._directory) if p2 == 0x00 else aid, tpdu)

    # File contents

    def _read_binary(self, tpdu: bytes) -> bytes:
        file, offset = self._transparent(tpdu)
        return _outgoing(bytes(file.content[offset:]), tpdu, part=True)

    def _update_binary(self, tpdu: bytes) -> bytes:
        data = _data(tpdu)
        file, offset = self._transparent(tpdu)
        if not file.writable:
            raise Refusal(SECURITY)
        if offset + len(data) > len(file.content):
            raise Refusal(WRONG_LENGTH)
        file.content[offset : offset + len(data)] = data
        return _word(OK)

    def _transparent(self, tpdu: bytes) -> tuple[Elementary, int]:
        p1, p2 = tpdu[2], tpdu[3]
        if p1 & 0x80 and not self._gsm:
            self._enter(self._by_sfi(p1 & 0x1F))
            offset = p2
        else:
            offset = p1 << 8 | p2
        if self._file is None:
            raise Refusal(NO_EF)
        if self._file.record_octets:
            raise Refusal(WRONG_STRUCTURE)
        if offset >= len(self._file.content):
            raise Refusal(NO_RECORD if self._gsm else WRONG_P1P2)
        return self._file, offset

    def _read_record(self, tpdu: bytes) -> bytes:
        number, p2 = tpdu[2], tpdu[3]
        if p2 >> 3 and not self._gsm:
            self._enter(self._by_sfi(p2 >> 3))
        if self._file is None:
            raise Refusal(NO_EF)
        if not self._file.record_octets:
            raise Refusal(WRONG_STRUCTURE)
        wanted = {0x02: self._record + 1, 0x03: self._record - 1, 0x04: number or self._record}.get(p2 & 0x07)
        if wanted is None:
            raise Refusal(WRONG_P1P2)
        record = self._file.record(wanted)
        if record is None:
            raise Refusal(NO_RECORD)
        if p2 & 0x07 != 0x04:
            self._record = wanted
        return _outgoing(record, tpdu)

    def _by_sfi(self, sfi: int) -> Elementary:
        found = self._directory.find_sfi(sfi)
        if found is None:
            raise Refusal(NOT_FOUND)
        return found

    def _get_response(self, tpdu: bytes) -> bytes:
        if tpdu[2] or tpdu[3]:
            raise Refusal(WRONG_P1P2)
        if not self._pending:
            raise Refusal(NOTHING_TO_GIVE)
        answer = _outgoing(self._pending, tpdu, part=True)
        self._pending = self._pending[len(answer) - 2 :]
        if self._pending and not self._gsm:
            return answer[:-2] + bytes((0x61, len(self._pending)))
        return answer

    # Security

    def _pin(self, tpdu: bytes) -> bytes:
        ins, p1, p2, p3 = tpdu[1:5]
        if p1 or p2 not in (0x01, 0x02, 0x81):
            raise Refusal(WRONG_P1P2)
        if ins == 0x20 and p3 == 0 and not self._gsm:
            return _word(0x63C3)  # asks for the tries left: three
        if len(_data(tpdu)) not in (8, 16):
            raise Refusal(WRONG_LENGTH)
        raise Refusal(PIN_UNUSABLE)

    def _authenticate(self, tpdu: bytes) -> bytes:
        p1, p2, data = tpdu[2], tpdu[3], _data(tpdu)
        if self._gsm:
            if p1 or p2:
                raise Refusal(WRONG_P1P2)
            if len(data) != 16:
                raise Refusal(WRONG_LENGTH)
            if self._directory.fid not in (DF_GSM, ADF_USIM):
                raise Refusal(CONDITIONS)
            sres, kc = self._authenticator.gsm(data)
            return self._answer(sres + kc)
        if p1 or p2 not in (0x80, 0x81):
            raise Refusal(WRONG_P1P2)
        if self._directory is not self._application:
            raise Refusal(CONDITIONS)
        if p2 == 0x80:
            sres, kc = self._authenticator.gsm(_counted(data, 1)[0])
            return self._answer(b"\x04" + sres + b"\x08" + kc)
        result = self._authenticator.umts(*_counted(data, 2))
        if isinstance(result, int):
            raise Refusal(result)
        return self._answer(result)

    # What a card without a toolkit says

    def _accept(self, tpdu: bytes) -> bytes:
        _data(tpdu)
        return _word(OK)

    def _fetch(self, tpdu: bytes) -> bytes:
        raise Refusal(NOTHING_TO_GIVE)

    def _manage_channel(self, tpdu: bytes) -> bytes:
        raise Refusal(UNKNOWN_INS if self._gsm else NO_CHANNELS)


def _word(word: int) -> bytes:
    return word.to_bytes(2, "big")


def _data(tpdu: bytes) -> bytes:
    """The data of an incoming command; P3 says how many octets they are."""
    if len(tpdu) - 5 != tpdu[4]:
        raise Refusal(WRONG_LENGTH)
    return tpdu[5:]


def _outgoing(available: bytes, tpdu: bytes, *, part: bool = False) -> bytes:
    """`available` as the answer to a command that wants P3 octets (0 stands for 256).

    A wrong P3 is answered with the right one; fewer octets are given only where `part`.
    """
    if len(tpdu) != 5:
        raise Refusal(WRONG_LENGTH)
    wanted = tpdu[4] or 256
    if wanted > len(available) or (wanted < len(available) and not part):
        raise Refusal(WRONG_LENGTH, right_octets=len(available))
    return available[:wanted] + _word(OK)


def _counted(data: bytes, count: int) -> list[bytes]:
    """`count` values of 16 octets, each behind its length (TS 31.102 7.1.2)."""
    if len(data) != 17 * count:
        raise Refusal(WRONG_LENGTH)
    values = [data[17 * i : 17 * i + 17] for i in range(count)]
    if any(value[0] != 16 for value in values):
        raise Refusal(WRONG_DATA)
    return [value[1:] for value in values]
