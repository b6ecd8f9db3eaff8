"""Habits of the deployed programs that a client has to live with, as switches."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Quirks:
    """The defaults are what osmo-remsim does; the others are its bad days.

    `echo_tags`: answers carry the request's tag (deployed: 0, and 2342 in ConnectClientRes).
    `single_recv`: the bankd reads a frame's body with one recv and closes on a short read.
    `answer_id_ack`: ID_ACK is answered with ID_ACK.
    `card_late_s`: a client is told cardNotPresent first, the ATR follows so much later.
    `identity_kept_s`: the server refuses an identity for so long after its connection ended.
    `pong`: PING is answered; `answer_tpdus`: TPDUs are answered.
    `greet`: Connect requests are answered.
    """

    echo_tags: bool = False
    single_recv: bool = True
    answer_id_ack: bool = True
    card_late_s: float | None = None
    identity_kept_s: float = 0.0
    pong: bool = True
    answer_tpdus: bool = True
    greet: bool = True


DEPLOYED = Quirks()
