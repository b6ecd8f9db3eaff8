"""Whether a registration comes from the router that holds the client_id."""

from __future__ import annotations

from datetime import datetime, timedelta

from ionmesh.errors import IdentityConflict
from ionmesh.models import Connectivity, ServiceProfile, Tenant
from ionmesh.services.liveness import LivenessPolicy, judge

# OpenWrt's and other factory hostnames: many routers carry them, and the deployed client builds its client_id
# as <hostname>-slot<N>, so without anything else to tell them apart they would all be given one SIM.
_FACTORY_HOSTNAMES = frozenset({"openwrt", "lede", "localhost"})


def is_factory_name(client_id: str) -> bool:
    """Whether a client_id is a factory hostname, with or without the `-slot<N>` the C client appends."""
    hostname, _, _ = client_id.lower().partition("-slot")
    return hostname in _FACTORY_HOSTNAMES


def same_router(
    known_fingerprint: str | None,
    known_ip: str | None,
    claimed_fingerprint: str | None,
    claimed_ip: str | None,
) -> bool:
    """Whether a registration can come from the router that holds the client_id.

    Fingerprints decide when both are known. A router that had one and names none now (the C client in place
    of remsimd) must at least call from the same address. Without any, an address proves nothing: routers
    behind mobile networks change theirs.
    """
    if known_fingerprint is not None and claimed_fingerprint is not None:
        return known_fingerprint == claimed_fingerprint
    if known_fingerprint is not None:
        return known_ip == claimed_ip
    return True


def refuse_factory_hostname(tenant: Tenant, client_id: str, fingerprint: str | None) -> None:
    """Raise IdentityConflict for a factory name that nothing tells apart, unless the tenant accepts it."""
    if fingerprint is not None or tenant.default_hostnames_allowed:
        return
    if is_factory_name(client_id):
        raise IdentityConflict(
            f"client_id {client_id} is a factory hostname; give the router a name of its own"
        )


def refuse_other_router(
    profile: ServiceProfile,
    fingerprint: str | None,
    source_ip: str | None,
    now: datetime,
    silence: timedelta,
) -> None:
    """Raise IdentityConflict when another router registers under the client_id of a present one."""
    if same_router(profile.fingerprint, profile.source_ip, fingerprint, source_ip):
        return
    # A holder that has gone quiet may have been replaced by new hardware of the same name.
    verdict = judge(profile.state.last_heartbeat, now, LivenessPolicy(silence, None))
    if verdict.connectivity is not Connectivity.OFFLINE:
        raise IdentityConflict(f"client_id {profile.client_id} is held by another router")
