"""What follows for the card from what its bankd and the modem say.

The rule above all others: no wrong answer reaches the modem. Answers carry no number, so one
TPDU is on its way at a time, and one that may belong to something else is given to nobody. A
card that the bank reset behind the modem's back is brought to where the modem left it before
the modem hears of it again, or taken away and shown anew.
"""

from remsimd.rspro import pdu
from remsimd.rspro.events import RsproState
from remsimd.rspro.pdu import ResultCode
from remsimd.rspro.rules import is_atr
from remsimd.rspro.session_events import Answer, Command, Fail
from remsimd.rspro.turn import BANKD, Purpose, Turn
from remsimd.sim.frontend import TPDU_OCTETS


class CardTurn(Turn):
    """One step in the making, with the rules for the card."""

    # What the bankd says

    def set_atr(self, tag: int, message: pdu.SetAtrReq) -> None:
        """The bank has a card for us: ours as before, another one, or one that was reset."""
        if message.slot != self.session.client_slot:
            self.send(BANKD, pdu.SetAtrRes(ResultCode.ILLEGAL_CLIENT_ID), tag)
            self.trouble(f"bankd sent the ATR of slot {message.slot}, which is not ours")
            return
        if not is_atr(message.atr):
            self.send(BANKD, pdu.SetAtrRes(ResultCode.CARD_UNRESPONSIVE), tag)
            self.trouble(f"bankd sent {message.atr.hex()}, which is no ATR")
            return
        self.send(BANKD, pdu.SetAtrRes(ResultCode.OK), tag)
        if self.session.repeats:
            self._atr_again(message.atr)
            return
        back = self.session.atr is None and self.session.offered == message.atr
        self.set(atr_due_s=None, note="")
        if back:
            self._restore()
        elif self.session.offered != message.atr:
            first = self.session.atr is None
            self.offer(message.atr)
            if first:
                self.tell_contacts()

    def _atr_again(self, atr: bytes) -> None:
        """A second ATR while the first card is brought to where the modem left it."""
        if atr != self.session.offered:
            # An answer of the first card is still to come and would be taken for one of the second.
            self.lose(BANKD, "the card changed while it was prepared")

    def _restore(self) -> None:
        """The card is back after a hold, and it was reset meanwhile: bring it to where it was.

        Until that is done the modem's commands wait. Where it cannot be done, the modem gets
        the card taken away and shown again, and begins with a reset as it must.
        """
        steps = self.session.selection.steps()
        if steps is None:
            self.renew(f"the bank's card was reset: {self.session.selection.obstacle}")
        else:
            self.set(repeats=steps)
            self._repeat()

    def _repeat(self) -> None:
        """Send the next repetition, or, after the last one, what the modem asked meanwhile."""
        if self.session.repeats:
            self.send_tpdu(self.session.repeats[0].tpdu, Purpose.REPEAT)
            return
        self.set(atr=self.session.offered, hold_until_s=None)
        self.tell_contacts()
        self._send_waiting()

    def _repeated(self, answer: bytes) -> None:
        step, *rest = self.session.repeats
        self.set(repeats=tuple(rest))
        if step.fits(answer):
            self._repeat()
        else:
            self.renew("the bank's card is another one or answers otherwise than before")

    def _send_waiting(self) -> None:
        if self.session.command is not None:
            self.transmit(self.session.command)

    def answer(self, message: pdu.TpduCardToModem) -> None:
        """The card answered; only what belongs to the TPDU on its way is given on."""
        session = self.session
        ours = (message.from_bank_slot, message.to_client_slot) == (session.bank_slot, session.client_slot)
        if not ours or session.flight is None or len(message.data) < 2:
            # Answers carry no number: once one is wrong, none can be trusted.
            self.lose(BANKD, "an answer that belongs to no command")
            return
        self.set(flight=None)
        match session.flight.purpose:
            case Purpose.REPEAT:
                self._repeated(message.data)
            case Purpose.ABANDONED:
                self._send_waiting()
            case Purpose.COMMAND:
                assert session.command is not None  # noqa: S101 - or it would be abandoned
                selection = session.selection.seen(session.command.tpdu, message.data)
                self.set(command=None, selection=selection)
                self.actions.append(Answer(session.command.number, message.data))

    def card_status(self, message: pdu.BankSlotStatusInd) -> None:
        """The bank tells of its slot: a card that is gone there is gone here."""
        ours = (self.session.bank_slot, self.session.client_slot)
        if (message.from_bank_slot, message.to_client_slot) != ours:
            self.trouble(f"bankd sent the status of slot {message.from_bank_slot}, which is not ours")
        elif message.slot_phys_status.card_present is False:
            reason = "the card was removed at the bank"
            if self.session.flight is not None:
                self.lose(BANKD, reason)
            self.withdraw(reason)
            self.set(atr=None, note=reason)

    # What the modem says

    def command(self, command: Command) -> None:
        """The modem asks something of its card; it is sent, kept for a card to come, or failed."""
        state = self.session.state
        if self.session.command is not None:
            self.actions.append(Fail(command.number, "another command is in flight"))
        elif len(command.tpdu) not in TPDU_OCTETS:
            self.actions.append(Fail(command.number, f"a TPDU of {len(command.tpdu)} octets"))
        elif self.session.unstarted:
            self.actions.append(Fail(command.number, "the card was shown anew and is not reset yet"))
        elif state is RsproState.OPERATIONAL and self.session.flight is None:
            self.transmit(command)
        elif state in (RsproState.OPERATIONAL, RsproState.HOLDING):
            self.set(command=command)
        else:
            self.actions.append(Fail(command.number, f"no remote card ({state})"))

    def contacts(self, status: pdu.SlotPhysStatus) -> None:
        """Pass a change on; after a reset nothing that was asked before is answered any more."""
        if _is_reset(self.session.contacts, status):
            self.fail_command("the modem reset its card")
            self.set(selection=self.session.selection.reset())
            if self.session.repeats:
                # How far the card got is not known before the next answer: take a fresh one.
                self.lose(BANKD, "the modem reset its card while it was prepared")
        if _is_start(self.session.contacts, status):
            self.set(unstarted=False)
        self.set(contacts=status)
        self.tell_contacts()


def _is_reset(before: pdu.SlotPhysStatus | None, after: pdu.SlotPhysStatus) -> bool:
    """The edges at which a bankd resets the card: supply goes, or reset comes (its own rule)."""
    powered = before is None or before.vcc_present is not False
    was_reset = before is not None and before.reset_active
    return (powered and after.vcc_present is False) or (after.reset_active and not was_reset)


def _is_start(before: pdu.SlotPhysStatus | None, after: pdu.SlotPhysStatus) -> bool:
    """Whether the card begins anew with this change, or cannot go on without doing so."""
    if before is None:
        return True
    return (before.vcc_present, before.reset_active) != (after.vcc_present, after.reset_active)
