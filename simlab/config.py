"""The configuration of the lab's router."""

from collections.abc import Iterable
from pathlib import Path


def router_config(
    folder: Path,
    *,
    ionmesh_url: str,
    metrics_port: int,
    probes: Iterable[str],
    data: bool,
    settings: str = "",
) -> str:
    """UCI text for a router whose modems, key and state are in `folder`.

    With `data` the modems carry data over wwan0 and wwan1, otherwise the daemon only decides.
    `settings` come last: sections of the same name override what stands before.
    """
    return TEMPLATE.format(
        folder=folder,
        url=ionmesh_url,
        primary="\toption interface 'wwan0'\n" if data else "",
        secondary="\toption interface 'wwan1'\n" if data else "",
        routing="policy" if data else "none",
        targets="\n".join(f"\tlist targets 'icmp:{probe}'" for probe in probes),
        metrics_port=metrics_port,
        settings=settings,
    )


TEMPLATE = """\
config remsim 'main'
	option enabled '1'
	option log_level 'info'
	option state_dir '{folder}/state'

config modem 'primary'
	option role 'primary'
	list match 'tty:{folder}/ttyRM500Q'
	option sim 'remote'
	option sim_select_line 'sim1'
	option poll_interval '2'
{primary}
config modem 'secondary'
	option role 'secondary'
	list match 'tty:{folder}/ttyEC25'
	option poll_interval '2'
{secondary}
config frontend 'pins'
	option modem 'primary'
	option type 'shell'

config rspro 'rspro'
	option via 'secondary'

config ionmesh 'ionmesh'
	option enabled '1'
	option url '{url}'
	option insecure '1'
	option api_key_file '{folder}/api-key'
	option client_name 'demo-router'
	option via 'secondary'

config failover 'failover'
{targets}
	option interval '2'
	option fast_interval '0.5'
	option timeout '0.5'
	option up '2'
	option hold_down '4'
	option routing '{routing}'

config metrics 'metrics'
	option listen_port '{metrics_port}'

config history 'history'
	option path '{folder}/history'

{settings}
"""
