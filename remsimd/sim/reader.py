"""The numbers of a card, read by commands of our own while no modem uses it."""

from dataclasses import dataclass

from modems.at.apdu import bcd_digits, imsi_digits
from remsimd.errors import CardError
from remsimd.sim.frontend import Card

MF, DF_GSM = b"\x3f\x00", b"\x7f\x20"
EF_ICCID, EF_IMSI = b"\x2f\xe2", b"\x6f\x07"
USIM_AID = bytes.fromhex("a0000000871002")
"""3GPP's RID and the USIM application code (TS 101 220 annex E); a card takes it shortened."""
UICC, GSM = 0x00, 0xA0
DONE_SW1 = (0x90, 0x61, 0x9F)
WRONG_LE_SW1 = 0x6C


@dataclass(frozen=True, slots=True)
class CardNumbers:
    """ICCID (18..20 digits) and IMSI (6..15 digits); the IMSI is None behind a PIN."""

    iccid: str
    imsi: str | None


async def read_numbers(card: Card) -> CardNumbers:
    """Ask a card for its numbers, as a USIM and else as a 2G SIM; its MF is selected at the end.

    Raises `CardError` when it does not answer, or not as a SIM.
    """
    cla = UICC if await _select(card, UICC, MF) else GSM
    selected = cla == UICC or await _select(card, GSM, MF)
    if not selected or not await _select(card, cla, EF_ICCID):
        raise CardError("the card has no ICCID: it is no SIM")
    iccid = bcd_digits(await _read(card, cla, 10))
    imsi = ""
    if await _select_application(card, cla) and await _select(card, cla, EF_IMSI):
        imsi = imsi_digits(await _read(card, cla, 9))
    await _select(card, cla, MF)
    if not iccid:
        raise CardError("the card does not let its ICCID be read")
    return CardNumbers(iccid, imsi or None)


async def _select_application(card: Card, cla: int) -> bool:
    if cla == GSM:
        return await _select(card, cla, DF_GSM)
    answer = await card.transmit(bytes((cla, 0xA4, 0x04, 0x0C, len(USIM_AID))) + USIM_AID)
    return answer[-2] in DONE_SW1


async def _select(card: Card, cla: int, fid: bytes) -> bool:
    answer = await card.transmit(bytes((cla, 0xA4, 0x00, 0x00 if cla == GSM else 0x0C, 2)) + fid)
    return answer[-2] in DONE_SW1


async def _read(card: Card, cla: int, octets: int) -> bytes:
    """The content of the selected EF, b"" where the card refuses."""
    answer = await card.transmit(bytes((cla, 0xB0, 0x00, 0x00, octets)))
    if answer[-2] == WRONG_LE_SW1:
        answer = await card.transmit(bytes((cla, 0xB0, 0x00, 0x00)) + answer[-1:])
    return answer[:-2] if answer[-2:] == b"\x90\x00" else b""
