"""What is known about a modem as one flat mapping: the names that every program reading it can rely on."""

from modems.facts import Cell, Identity, Registration, RegistrationState, Signal, Sim, SimState, Temperature

Value = str | int | float | bool | None

NAMES: tuple[str, ...] = (
    *("rat", "registered", "mcc", "mnc", "operator", "tac", "cell_id", "arfcn", "pci", "band"),
    *("rssi_dbm", "rsrp_dbm", "rsrq_db", "sinr_db"),
    *("nr_rsrp_dbm", "nr_rsrq_db", "nr_sinr_db", "nr_band", "nr_arfcn", "nr_pci"),
    *("temperature_c", "sim_state", "sim_slot", "iccid", "imsi"),
    *("imei", "manufacturer", "model", "firmware"),
)

_MCC_DIGITS = 3


def flat(
    *,
    identity: Identity | None = None,
    sim: Sim | None = None,
    registration: Registration | None = None,
    cell: Cell | None = None,
    signal: Signal | None = None,
    temperatures: tuple[Temperature, ...] = (),
) -> dict[str, Value]:
    """Return every name of NAMES with its value; None is "not known", never 0 and never a sentinel.

    `mcc` and `mnc` are digits as text, for 01 and 001 are different networks. `tac`, `cell_id`, `arfcn` and
    `pci` are the anchor cell's, the `nr_` names the NR leg's; on standalone NR both are the same cell.
    `temperature_c` is the hottest sensor. `rat` is the network's technology, or the technology of the cell
    that the modem camps on without service.
    """
    found: dict[str, Value] = dict.fromkeys(NAMES)
    if identity is not None:
        found.update(_known(identity, "imei", "manufacturer", "model", "firmware"))
    if sim is not None:
        found.update(_known(sim, "iccid", "imsi"))
        found.update(sim_state=_state(sim.state), sim_slot=sim.slot)
    if signal is not None:
        found.update(
            _known(signal, "rssi_dbm", "rsrp_dbm", "rsrq_db", "sinr_db"),
            **_known(signal, "nr_rsrp_dbm", "nr_rsrq_db", "nr_sinr_db"),
        )
    plmn = None
    if cell is not None:
        found.update(
            _known(cell, "tac", "cell_id", "arfcn", "pci", "band", "nr_band", "nr_arfcn", "nr_pci"),
            rat=cell.technology.value,
        )
        plmn = cell.plmn
    if registration is not None:
        plmn = registration.plmn or plmn
        found.update(_known(registration, "operator"), registered=_registered(registration.state))
        if registration.technology is not None:
            found["rat"] = registration.technology.value
    if plmn is not None:
        found.update(mcc=plmn[:_MCC_DIGITS], mnc=plmn[_MCC_DIGITS:])
    found["temperature_c"] = max((each.celsius for each in temperatures), default=None)
    return found


def _known(fact: Identity | Sim | Signal | Cell | Registration, *names: str) -> dict[str, Value]:
    return {name: getattr(fact, name) for name in names}


def _state(state: SimState) -> str | None:
    return None if state is SimState.UNKNOWN else state.value


def _registered(state: RegistrationState) -> bool | None:
    return None if state is RegistrationState.UNKNOWN else state.registered
