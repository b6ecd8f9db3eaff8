"""`python -m simlab.bank`: server, REST and bankd in one process, until SIGTERM or SIGINT."""

import argparse
import asyncio
import contextlib
import functools
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
    parser = argparse.ArgumentParser(
        prog="python -m simlab.bank",
        description="A SIM bank in one process, until SIGTERM or SIGINT: osmo-remsim-server with its REST "
        "interface, a bankd, and cards that are software or in PC/SC readers. Prints a JSON line with "
        "its ports when it is ready.",
        epilog="Exit status: 0 after SIGTERM or SIGINT, 1 for cards, readers or ports that cannot be used.",
    )
    add = functools.partial(parser.add_argument, metavar="NUMBER", type=int)
    parser.add_argument(
        "--listen", default="127.0.0.1", metavar="HOST", help="address to listen on (default: %(default)s)"
    )
    for name, port, what in (
        ("--server-port", SERVER_PORT, "RSPRO of the server"),
        ("--rest-port", REST_PORT, "its REST interface"),
        ("--bankd-port", BANKD_PORT, "RSPRO of the bankd"),
    ):
        add(name, default=port, help=f"TCP port, {what}; 0 takes a free one (default: %(default)s)")
    add("--bank-id", default=1, help="the bank's number, 1 to 1023 (default: %(default)s)")
    parser.add_argument(
        "--cards", type=Path, metavar="FILE", help="a JSON list of cards with iccid, imsi, k, opc and slot"
    )
    parser.add_argument(
        "--pcsc", nargs="?", const=".", metavar="REGEX",
        help="serve the cards of PC/SC readers whose name fits, the first one in slot 0",
    )  # fmt: skip
    add("--slots", default=4, help="how many cards to generate without --cards (default: %(default)s)")
    add("--seed", default=1, help="what the generated cards follow from (default: %(default)s)")
    parser.add_argument(
        "--print-cards", action="store_true", help="print the cards first, keys included, a JSON line each"
    )
    return parser
