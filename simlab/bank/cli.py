"""`python -m simlab.bank`: server, REST and bankd in one process, until SIGTERM or SIGINT."""

import argparse
import asyncio
import contextlib
import json
import logging
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from simlab.bank.bankd import Bankd
from simlab.bank.cards import CardData, as_json, generate, load
from simlab.bank.pcsc import PcscCard, PcscError, Readers
from simlab.bank.rest import Rest
from simlab.bank.server import RemsimServer

SERVER_PORT, REST_PORT, BANKD_PORT = 9998, 9997, 9999
"""Those of the deployed programs."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the bank; prints one JSON line with the ports when it is ready."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s: %(message)s")
    try:
        cards = () if options.pcsc else _cards(options)
    except (OSError, ValueError) as error:
        print(f"{options.cards}: {error}", file=sys.stderr)
        return 1
    if options.print_cards:
        for card in cards:
            print(json.dumps(as_json(card)), flush=True)
    try:
        with contextlib.ExitStack() as stack:
            readers = stack.enter_context(Readers()).cards(options.pcsc) if options.pcsc else ()
            _tell(readers)
            asyncio.run(_serve(options, cards, {n: card for n, card in enumerate(readers) if card}))
    except PcscError as error:
        print(f"the readers cannot be used (is pcscd running?): {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"the bank cannot listen: {error}", file=sys.stderr)
        return 1
    return 0


def _cards(options: argparse.Namespace) -> tuple[CardData, ...]:
    return load(options.cards) if options.cards else generate(options.slots, options.seed)


def _tell(readers: Sequence[PcscCard | None]) -> None:
    for slot, card in enumerate(readers):
        what = "no card" if card is None else f"{card.reader}, ATR {card.atr.hex()}"
        print(f"slot {slot}: {what}", file=sys.stderr)


async def _serve(
    options: argparse.Namespace, cards: tuple[CardData, ...], readers: Mapping[int, PcscCard]
) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    host = options.listen
    async with (
        RemsimServer(host=host, port=options.server_port) as server,
        Bankd(
            cards,
            readers=readers,
            bank_id=options.bank_id,
            host=host,
            port=options.bankd_port,
            server=(host, server.port),
        ) as bankd,
        Rest(server, host=host, port=options.rest_port) as rest,
    ):
        server.bankd_port = bankd.port
        ports = {"server_port": server.port, "rest_port": rest.port, "bankd_port": bankd.port}
        ready = {"ready": True, "listen": host, **ports, "bank_id": bankd.bank_id, "slots": bankd.slots}
        ready["cards"] = len(bankd.usims)
        print(json.dumps(ready), flush=True)
        await stop.wait()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m simlab.bank", description=__doc__)
    parser.add_argument("--listen", default="127.0.0.1", help="address to listen on")
    for name, port in (
        ("--server-port", SERVER_PORT),
        ("--rest-port", REST_PORT),
        ("--bankd-port", BANKD_PORT),
    ):
        parser.add_argument(name, type=int, default=port, help="0 = any free port (default: %(default)s)")
    parser.add_argument("--bank-id", type=int, default=1)
    parser.add_argument("--cards", type=Path, help="JSON list of iccid, imsi, k, opc, slot")
    parser.add_argument(
        "--pcsc", nargs="?", const=".", metavar="REGEX",
        help="serve the cards of PC/SC readers whose name fits, the first one in slot 0",
    )  # fmt: skip
    parser.add_argument("--slots", type=int, default=4, help="cards to generate without --cards")
    parser.add_argument("--seed", type=int, default=1, help="what the generated cards follow from")
    parser.add_argument(
        "--print-cards", action="store_true", help="print the cards first, one JSON line each"
    )
    return parser
