"""The files of a software USIM, and how it describes them (TS 102 221, TS 31.102, TS 51.011)."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from simlab.bank.cards import CardData

MF, DF_TELECOM, DF_GSM, ADF_USIM = 0x3F00, 0x7F10, 0x7F20, 0x7FFF
USIM_AID = bytes.fromhex("a0000000871002ffffffff8907090000")
"""3GPP's RID and the USIM application code (TS 101 220 annex E)."""


@dataclass(slots=True, eq=False)
class Elementary:
    """An EF; transparent where `record_octets` is 0, else linear fixed."""

    fid: int
    content: bytearray
    record_octets: int = 0
    sfi: int | None = None
    writable: bool = False

    def record(self, number: int) -> bytes | None:
        """Record `number`, counted from 1; None where there is none."""
        start = (number - 1) * self.record_octets
        if number < 1 or start >= len(self.content):
            return None
        return bytes(self.content[start : start + self.record_octets])


@dataclass(slots=True, eq=False)
class Directory:
    """The MF, a DF or an ADF (which has an `aid`)."""

    fid: int
    parent: "Directory | None" = None
    aid: bytes | None = None
    children: "list[Directory | Elementary]" = field(default_factory=list)

    def find(self, fid: int) -> "Directory | Elementary | None":
        """The child with this identifier."""
        return next((child for child in self.children if child.fid == fid), None)

    def find_sfi(self, sfi: int) -> Elementary | None:
        """The EF with this short identifier (1 to 30)."""
        return next((ef for ef in self.elementary() if ef.sfi == sfi), None)

    def elementary(self) -> Iterator[Elementary]:
        """The EFs directly below."""
        return (child for child in self.children if isinstance(child, Elementary))

    def directories(self) -> "Iterator[Directory]":
        """The DFs and ADFs directly below."""
        return (child for child in self.children if isinstance(child, Directory))


def swapped(digits: str) -> bytes:
    """BCD with the first digit in the low nibble, filled with F (TS 102 221 13.2)."""
    padded = digits + "f" * (len(digits) % 2)
    return bytes(int(padded[i + 1] + padded[i], 16) for i in range(0, len(padded), 2))


def build(card: CardData) -> Directory:
    """The file tree of a card."""
    mf = Directory(MF)
    label = b"USIM"
    application = _tlv(0x61, _tlv(0x4F, USIM_AID) + _tlv(0x50, label))
    mf.children += [
        Elementary(0x2FE2, bytearray(swapped(card.iccid).ljust(10, b"\xff")), sfi=2),
        Elementary(0x2F00, bytearray(application.ljust(40, b"\xff")), 40, sfi=30),
        Elementary(0x2F05, bytearray(b"en\xff\xff"), sfi=5),
        _access_rules(0x2F06),
    ]
    for directory, content in (
        (Directory(DF_TELECOM, mf), _telecom()),
        (Directory(DF_GSM, mf), _gsm(card)),
        (Directory(ADF_USIM, mf, USIM_AID), _usim(card)),
    ):
        directory.children += content
        mf.children.append(directory)
    return mf


def _access_rules(fid: int) -> Elementary:
    """EF.ARR with one rule: reading is always allowed, updating after the PIN."""
    rule = bytes.fromhex("8001019000800102a406830101950108")
    return Elementary(fid, bytearray(rule.ljust(32, b"\xff")), 32)


def _telecom() -> list[Elementary]:
    return [
        Elementary(0x6F3A, bytearray(b"\xff" * 28 * 10), 28, writable=True),
        Elementary(0x6F3C, bytearray((b"\x00" + b"\xff" * 175) * 5), 176, writable=True),
        Elementary(0x6F40, bytearray(b"\xff" * 28), 28, writable=True),
        Elementary(0x6F42, bytearray(b"\xff" * 28), 28, writable=True),
    ]


def _common(card: CardData) -> list[Elementary]:
    """What DF.GSM and ADF.USIM have under the same identifiers."""
    imsi = swapped(("9" if len(card.imsi) % 2 else "1") + card.imsi)
    access_class = 1 << int(card.imsi[-1])
    name = card.service_provider.encode("ascii")[:16]
    return [
        Elementary(0x6F07, bytearray((bytes((len(imsi),)) + imsi).ljust(9, b"\xff")), sfi=7),
        Elementary(0x6F46, bytearray((b"\x00" + name).ljust(17, b"\xff"))),
        Elementary(0x6F78, bytearray(access_class.to_bytes(2, "big")), sfi=6),
        Elementary(0x6F7B, bytearray(b"\xff" * 12), sfi=13, writable=True),
        Elementary(0x6F7E, bytearray(bytes.fromhex("ffffffffffffff0000ff01")), sfi=11, writable=True),
        Elementary(0x6FAD, bytearray((0x00, 0x00, 0x00, card.mnc_digits)), sfi=3),
        Elementary(0x6F31, bytearray(b"\x05"), sfi=18),
        Elementary(0x6F05, bytearray(b"en"), sfi=2),
    ]


def _gsm(card: CardData) -> list[Elementary]:
    return [
        *_common(card),
        Elementary(0x6F20, bytearray(b"\xff" * 8 + b"\x07"), writable=True),
        Elementary(0x6F30, bytearray(b"\xff" * 24), writable=True),
        # Services 1 (CHV1 may be disabled), 4 (SMS), 17 (service provider name), each
        # allocated and activated: two bits a service (TS 51.011 10.3.7).
        Elementary(0x6F38, bytearray((0xC3, 0x00, 0x00, 0x00, 0x03))),
        Elementary(0x6F74, bytearray(b"\xff" * 16), writable=True),
        Elementary(0x6FAE, bytearray(b"\x03")),
    ]


def _usim(card: CardData) -> list[Elementary]:
    return [
        *_common(card),
        _access_rules(0x6F06),
        Elementary(0x6F08, bytearray(b"\x07" + b"\xff" * 32), sfi=8, writable=True),
        Elementary(0x6F09, bytearray(b"\x07" + b"\xff" * 32), sfi=9, writable=True),
        # Services 10, 12 (SMS), 19 (service provider name), 27 (GSM access), 85 (EPS mobility
        # management): one bit a service (TS 31.102 4.2.8).
        Elementary(0x6F38, bytearray(_services(10, 12, 19, 27, 85)), sfi=4),
        Elementary(0x6F56, bytearray(b"\x00"), sfi=5),
        Elementary(0x6F5B, bytearray(bytes.fromhex("f00000f00000")), sfi=15, writable=True),
        Elementary(0x6F5C, bytearray(b"\xff\xff\xff"), sfi=16),
        Elementary(0x6F60, bytearray(b"\xff\xff\xff\x00\x00" * 8), sfi=10, writable=True),
        Elementary(0x6F73, bytearray(b"\xff" * 7 + b"\xff\xff\xff\xff\xff\xff\x01"), sfi=12, writable=True),
        Elementary(0x6FB7, bytearray(bytes.fromhex("11f2ffff00")), 5, sfi=1),
        Elementary(0x6FE3, bytearray(b"\xff" * 17 + b"\x01"), sfi=30, writable=True),
        Elementary(0x6FE4, bytearray(b"\xff" * 54), 54, sfi=24, writable=True),
    ]


def _services(*numbers: int) -> bytes:
    table = 0
    for number in numbers:
        table |= 1 << (number - 1)
    return table.to_bytes((max(numbers) + 7) // 8, "little")


def fcp(file: Directory | Elementary) -> bytes:
    """The FCP template of a file (TS 102 221 11.1.1.3)."""
    identity = file.fid.to_bytes(2, "big")
    if isinstance(file, Directory):
        name = _tlv(0x84, file.aid) if file.aid else b""
        pin = bytes.fromhex("c606900100830101")  # PIN 1 exists and is disabled
        inner = _tlv(0x82, b"\x78\x21") + _tlv(0x83, identity) + name + b"\xa5\x03\x80\x01\x71"
        return _tlv(0x62, inner + b"\x8a\x01\x05\x8b\x03\x2f\x06\x01" + pin)
    size = len(file.content)
    if file.record_octets:
        count = size // file.record_octets
        descriptor = bytes((0x42, 0x21, 0x00, file.record_octets, count))
    else:
        descriptor = b"\x41\x21"
    inner = _tlv(0x82, descriptor) + _tlv(0x83, identity) + b"\x8a\x01\x05\x8b\x03\x6f\x06\x01"
    short = _tlv(0x88, bytes((file.sfi << 3,))) if file.sfi is not None else b"\x88\x00"
    return _tlv(0x62, inner + _tlv(0x80, size.to_bytes(2, "big")) + short)


def gsm_status(file: Directory | Elementary) -> bytes:
    """The answer to SELECT in class A0: 22 octets for a directory, 15 for a file (TS 51.011 9.2.1)."""
    identity = file.fid.to_bytes(2, "big")
    if isinstance(file, Directory):
        kind = 0x01 if file.fid == MF else 0x02
        counts = bytes((len(list(file.directories())), len(list(file.elementary()))))
        # 8B: clock stop allowed, 1 V tolerated, CHV1 disabled; four codes, none tried yet.
        return (
            b"\x00\x00\xff\xff"
            + identity
            + bytes((kind, 0, 0, 0, 0, 0, 9, 0x8B))
            + counts
            + b"\x04\x00\x83\x8a\x83\x8a"
        )
    size = len(file.content).to_bytes(2, "big")
    structure = 0x01 if file.record_octets else 0x00
    access = b"\x11\xff\x44" if file.writable else b"\x14\xff\x44"
    return (
        b"\x00\x00" + size + identity + b"\x04\x00" + access
        + bytes((0x01, 0x02, structure, file.record_octets))
    )  # fmt: skip


def _tlv(tag: int, value: bytes) -> bytes:
    return bytes((tag, len(value))) + value
