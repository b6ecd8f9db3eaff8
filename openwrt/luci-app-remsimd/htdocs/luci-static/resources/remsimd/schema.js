'use strict';
'require baseclass';

/* Made by scripts/luci-schema from the daemon's own tables and docs/uci.md. */

return baseclass.extend({
	remsim: {
		repeated: false,
		options: [
			{ name: "enabled", kind: "flag", default: "0",
			  title: _('Enabled'), help: _('Whether the daemon does anything; needs a primary modem.') },
			{ name: "log_level", kind: "choice", choices: ["debug", "info", "warning", "error"], default: "info",
			  title: _('Log level'), help: _('The least severe message that is logged.') },
			{ name: "log_apdu", kind: "flag", default: "0",
			  title: _('Log APDUs'), help: _('Log the exchange with the card; the data of authentication and PIN commands is masked even then.') },
			{ name: "state_dir", kind: "text", default: "/etc/remsim",
			  title: _('State dir'), help: _('Small state that survives a restart: the assignment, the commands seen.'), allowed: _('an absolute path') },
			{ name: "event_script", kind: "text",
			  title: _('Event script'), help: _('A program run, one at a time, for each card event.'), allowed: _('an absolute path') }
		]
	},

	modem: {
		repeated: true,
		options: [
			{ name: "enabled", kind: "flag", default: "1",
			  title: _('Enabled'), help: _('Whether this modem is used.') },
			{ name: "role", kind: "choice", choices: ["primary", "secondary"], default: "primary",
			  title: _('Role'), help: _('Primary uses the remote SIM and carries data; secondary has a local SIM and is always on.') },
			{ name: "driver", kind: "choice", choices: ["auto", "fibocom", "sierra", "quectel", "generic"], default: "auto",
			  title: _('Driver'), help: _('Which commands the modem understands.') },
			{ name: "match", kind: "text", many: true,
			  title: _('Match'), help: _('How the modem is recognised; the first that fits counts. Only one modem may go without.'), allowed: _('usb:1-1.2, pci:0000:01:00.0, imei: and 15 digits, id:2c7c:0125 or tty:/dev/ttyUSB2') },
			{ name: "interface", kind: "text",
			  title: _('Interface'), help: _('The netifd interface, or the network device, that carries its data; each modem its own.'), allowed: _('the name of an interface, at most 32 characters') },
			{ name: "sim", kind: "choice", choices: ["local", "remote"], default: "local",
			  title: _('SIM'), help: _('Which card it uses; remote needs a frontend section and is not for a secondary.') },
			{ name: "sim_slot", kind: "integer", digits: 9, low: 1, high: 2,
			  title: _('SIM slot'), help: _('The modem\'s own SIM slot that the remote card is shown in, the local card being in the other one; the modem\'s slot command is then the switch, where no sim_select_line is set.'), allowed: _('a whole number from 1 to 2') },
			{ name: "sim_select_line", kind: "text",
			  title: _('SIM select line'), help: _('The GPIO line that selects between local and remote card.'), allowed: _('the name of a GPIO line, or chip:offset like gpiochip0:20') },
			{ name: "sim_select_remote", kind: "choice", choices: ["1", "0"], default: "1",
			  title: _('SIM select remote'), help: _('The value of that line which selects the remote card.') },
			{ name: "reset_line", kind: "text",
			  title: _('Reset line'), help: _('The GPIO line that resets the modem.'), allowed: _('the name of a GPIO line, or chip:offset like gpiochip0:20') },
			{ name: "reset_active", kind: "choice", choices: ["high", "low"], default: "high",
			  title: _('Reset active'), help: _('The level of that line which resets.') },
			{ name: "reset_pulse_ms", kind: "integer", digits: 9, low: 10, high: 60000, default: "500",
			  title: _('Reset pulse (ms)'), help: _('How long the reset lasts.'), allowed: _('a whole number of milliseconds from 10 to 60000') },
			{ name: "power_line", kind: "text",
			  title: _('Power line'), help: _('The GPIO line that powers the modem.'), allowed: _('the name of a GPIO line, or chip:offset like gpiochip0:20') },
			{ name: "power_off_ms", kind: "integer", digits: 9, low: 10, high: 60000, default: "2000",
			  title: _('Power off (ms)'), help: _('How long the power stays off in a power cycle.'), allowed: _('a whole number of milliseconds from 10 to 60000') },
			{ name: "poll_interval", kind: "integer", digits: 9, low: 2, high: 3600, default: "10",
			  title: _('Poll interval'), help: _('How often registration and signal are read.'), allowed: _('a whole number of seconds from 2 to 3600') },
			{ name: "data_limit_mb", kind: "integer", digits: 9, low: 0, high: 1000000, default: "0",
			  title: _('Data limit (MB)'), help: _('Megabytes a month that the daemon itself may send over it; 0 is no limit.'), allowed: _('a whole number of megabytes from 0 to 1000000') },
			{ name: "data_reset_day", kind: "integer", digits: 9, low: 1, high: 28, default: "1",
			  title: _('Data reset day'), help: _('The day of the month on which that count starts again.'), allowed: _('a whole number from 1 to 28') }
		]
	},

	frontend: {
		repeated: true,
		options: [
			{ name: "modem", kind: "text", required: true,
			  title: _('Modem'), help: _('The modem the card is presented to.'), allowed: _('the name of a modem section') },
			{ name: "type", kind: "choice", choices: ["cardem", "vpcd", "shell"], required: true,
			  title: _('Type'), help: _('A SIMtrace2 board wired to the SIM pins; a virtual PC/SC reader; a program.') },
			{ name: "usb_path", kind: "text",
			  title: _('USB path'), help: _('Which board, for cardem.'), allowed: _('a USB path like 1-1.2') },
			{ name: "usb_interface", kind: "integer", digits: 9, low: 0, high: 255,
			  title: _('USB interface'), help: _('Which USB interface of the board, for cardem.'), allowed: _('a whole number from 0 to 255') },
			{ name: "host", kind: "text", default: "127.0.0.1",
			  title: _('Host'), help: _('Where vpcd listens.'), allowed: _('a host name or an IP address') },
			{ name: "port", kind: "integer", digits: 9, low: 1, high: 65535, default: "35963",
			  title: _('Port'), help: _('Its port.'), allowed: _('a whole number from 1 to 65535') }
		]
	},

	rspro: {
		repeated: false,
		options: [
			{ name: "connect_mode", kind: "choice", choices: ["auto", "server", "bankd"], default: "auto",
			  title: _('Connect mode'), help: _('Over osmo-remsim-server, straight to the bankd, or what the assignment offers.') },
			{ name: "server_host", kind: "text",
			  title: _('Server host'), help: _('osmo-remsim-server; must be set when the orchestrator is not used.'), allowed: _('a host name or an IP address') },
			{ name: "server_port", kind: "integer", digits: 9, low: 1, high: 65535, default: "9998",
			  title: _('Server port'), help: _('Its port.'), allowed: _('a whole number from 1 to 65535') },
			{ name: "bankd_host", kind: "text",
			  title: _('Bankd host'), help: _('osmo-remsim-bankd, for connect_mode bankd.'), allowed: _('a host name or an IP address') },
			{ name: "bankd_port", kind: "integer", digits: 9, low: 1, high: 65535, default: "9999",
			  title: _('Bankd port'), help: _('Its port.'), allowed: _('a whole number from 1 to 65535') },
			{ name: "client_id", kind: "integer", digits: 9, low: 0, high: 1023,
			  title: _('Client ID'), help: _('The client id we announce; must be set when the orchestrator is not used.'), allowed: _('a whole number from 0 to 1023') },
			{ name: "client_slot", kind: "integer", digits: 9, low: 0, high: 1023, default: "0",
			  title: _('Client slot'), help: _('The client slot we announce.'), allowed: _('a whole number from 0 to 1023') },
			{ name: "bank_id", kind: "integer", digits: 9, low: 0, high: 1023,
			  title: _('Bank ID'), help: _('The bank of our card; must be set, with bank_slot, for connect_mode bankd without the orchestrator.'), allowed: _('a whole number from 0 to 1023') },
			{ name: "bank_slot", kind: "integer", digits: 9, low: 0, high: 1023,
			  title: _('Bank slot'), help: _('The slot of our card in that bank.'), allowed: _('a whole number from 0 to 1023') },
			{ name: "bankd_allow", kind: "text", many: true,
			  title: _('Bankd allow'), help: _('Where a server may send us; without it only the server\'s own network and the host of the assignment.'), allowed: _('a network like 192.0.2.0/24, or one address') },
			{ name: "via", kind: "text", default: "secondary",
			  title: _('Via'), help: _('Whose interface carries RSPRO; any is normal routing.'), allowed: _('primary, secondary, any or the name of a modem') }
		]
	},

	ionmesh: {
		repeated: false,
		options: [
			{ name: "enabled", kind: "flag", default: "0",
			  title: _('Enabled'), help: _('Whether the orchestrator decides about the card.') },
			{ name: "url", kind: "text",
			  title: _('URL'), help: _('Where it is; must be set when enabled. mdns looks for _ionmesh._tcp on the local network.'), allowed: _('https://host:port, or mdns or mdns:interface to look for it') },
			{ name: "host", kind: "text",
			  title: _('Host'), help: _('Older form of url: host and port mean http://host:port.'), allowed: _('a host name or an IP address') },
			{ name: "port", kind: "integer", digits: 9, low: 1, high: 65535,
			  title: _('Port'), help: _('Older form of url.'), allowed: _('a whole number from 1 to 65535') },
			{ name: "tenant_id", kind: "integer", digits: 9, low: 1, high: 999999999, default: "1",
			  title: _('Tenant ID'), help: _('The tenant this router belongs to.'), allowed: _('a whole number from 1 to 999999999') },
			{ name: "client_name", kind: "text",
			  title: _('Client name'), help: _('The name of this router; two routers must not share one.'), allowed: _('1 to 128 letters, digits and characters of . _ : @ -') },
			{ name: "mapping_mode", kind: "choice", choices: ["ONE_TO_ONE_SWSIM", "ONE_TO_ONE_VSIM", "KI_PROXY_SWSIM"], default: "ONE_TO_ONE_SWSIM",
			  title: _('Mapping mode'), help: _('The kind of card that is asked for.') },
			{ name: "mcc_mnc", kind: "text",
			  title: _('MCC and MNC'), help: _('The network the card should belong to; must be set for KI_PROXY_SWSIM.'), allowed: _('a network code of 5 or 6 digits, like 26201 or 310-410') },
			{ name: "carrier", kind: "text",
			  title: _('Carrier'), help: _('The carrier the card should belong to.'), allowed: _('1 to 64 printable ASCII characters') },
			{ name: "preferred_bank_id", kind: "integer", digits: 9, low: 1, high: 1023,
			  title: _('Preferred bank ID'), help: _('The bank to take a card from if possible.'), allowed: _('a whole number from 1 to 1023') },
			{ name: "api_key_file", kind: "text",
			  title: _('API key file'), help: _('A file with the API key, mode 0600. It may appear or change later: it is read at each registration.'), allowed: _('an absolute path') },
			{ name: "api_key", kind: "secret",
			  title: _('API key'), help: _('The key itself; warned about, because more users may read the configuration.'), allowed: _('1 to 256 printable ASCII characters without spaces') },
			{ name: "ca_cert", kind: "text",
			  title: _('CA cert'), help: _('The certificates that are trusted.'), allowed: _('an absolute path') },
			{ name: "client_cert", kind: "text",
			  title: _('Client cert'), help: _('Our certificate, with client_key.'), allowed: _('an absolute path') },
			{ name: "client_key", kind: "text",
			  title: _('Client key'), help: _('Its key.'), allowed: _('an absolute path') },
			{ name: "insecure", kind: "flag", default: "0",
			  title: _('Insecure'), help: _('Allow plain http to something else than this router.') },
			{ name: "tls_min", kind: "choice", choices: ["1.2", "1.3"], default: "1.2",
			  title: _('TLS min'), help: _('The oldest TLS version; 1.3 costs about a third more on a link with data_limit_mb.') },
			{ name: "interval", kind: "integer", digits: 9, low: 10, high: 3600, default: "60",
			  title: _('Interval'), help: _('Between heartbeats, unless the orchestrator names another.'), allowed: _('a whole number of seconds from 10 to 3600') },
			{ name: "metered_interval", kind: "integer", digits: 9, low: 10, high: 3600, default: "600",
			  title: _('Metered interval'), help: _('The same on a link with data_limit_mb; there the longer of this and the orchestrator\'s wish counts.'), allowed: _('a whole number of seconds from 10 to 3600') },
			{ name: "timeout", kind: "integer", digits: 9, low: 1, high: 60, default: "10",
			  title: _('Timeout'), help: _('How long an answer may take.'), allowed: _('a whole number of seconds from 1 to 60') },
			{ name: "legacy_proxy", kind: "flag", default: "0",
			  title: _('Legacy proxy'), help: _('Serve the older client\'s contract on 127.0.0.1:5000; see ionmesh-client.md.') },
			{ name: "via", kind: "text", default: "secondary",
			  title: _('Via'), help: _('Whose interface carries these calls.'), allowed: _('primary, secondary, any or the name of a modem') }
		]
	},

	failover: {
		repeated: false,
		options: [
			{ name: "enabled", kind: "flag", default: "1",
			  title: _('Enabled'), help: _('Whether links are probed and routes moved.') },
			{ name: "targets", kind: "text", many: true, default: "icmp:1.1.1.1 icmp:9.9.9.9",
			  title: _('Targets'), help: _('What must answer through a link.'), allowed: _('an address or host, icmp:host, dns:host[:port] or tcp:host:port') },
			{ name: "reliability", kind: "integer", digits: 9, low: 1, high: 16, default: "1",
			  title: _('Reliability'), help: _('How many targets must answer for a round to pass.'), allowed: _('a whole number from 1 to 16') },
			{ name: "down", kind: "integer", digits: 9, low: 1, high: 100, default: "3",
			  title: _('Down'), help: _('Failed rounds in a row until a link is down.'), allowed: _('a whole number from 1 to 100') },
			{ name: "up", kind: "integer", digits: 9, low: 1, high: 100, default: "5",
			  title: _('Up'), help: _('Passed rounds in a row until it is up.'), allowed: _('a whole number from 1 to 100') },
			{ name: "interval", kind: "decimal", digits: 10, low: 0.5, high: 3600, default: "5",
			  title: _('Interval'), help: _('Between rounds.'), allowed: _('a number of seconds from 0.5 to 3600') },
			{ name: "fast_interval", kind: "decimal", digits: 10, low: 0.1, high: 3600, default: "1",
			  title: _('Fast interval'), help: _('Between rounds while something is suspicious.'), allowed: _('a number of seconds from 0.1 to 3600') },
			{ name: "timeout", kind: "decimal", digits: 10, low: 0.1, high: 60, default: "1.5",
			  title: _('Timeout'), help: _('How long a target may take.'), allowed: _('a number of seconds from 0.1 to 60') },
			{ name: "hold_down", kind: "decimal", digits: 10, low: 0, high: 86400, default: "60",
			  title: _('Hold down'), help: _('How long a link must be up before it is used again.'), allowed: _('a number of seconds from 0 to 86400') },
			{ name: "hold_down_max", kind: "decimal", digits: 10, low: 0, high: 86400, default: "900",
			  title: _('Hold down max'), help: _('The limit to which that time doubles on each relapse.'), allowed: _('a number of seconds from 0 to 86400') },
			{ name: "routing", kind: "choice", choices: ["policy", "mwan3", "none"], default: "policy",
			  title: _('Routing'), help: _('Own table and rule, through mwan3, or only decide and report.') },
			{ name: "secondary_carries", kind: "choice", choices: ["all", "management", "auto"], default: "auto",
			  title: _('Secondary carries'), help: _('What may use a secondary when the primary is down; auto is management where it has a data limit, else all.') }
		]
	},

	recovery: {
		repeated: false,
		options: [
			{ name: "enabled", kind: "flag", default: "1",
			  title: _('Enabled'), help: _('Whether anything is tried.') },
			{ name: "max_actions_per_hour", kind: "integer", digits: 9, low: 0, high: 60, default: "6",
			  title: _('Max actions per hour'), help: _('How many actions a modem may see in an hour.'), allowed: _('a whole number from 0 to 60') },
			{ name: "sim_fallback", kind: "choice", choices: ["local", "off"], default: "local",
			  title: _('SIM fallback'), help: _('Whether the local card is used while the remote one stays lost.') }
		]
	},

	metrics: {
		repeated: false,
		options: [
			{ name: "enabled", kind: "flag", default: "1",
			  title: _('Enabled'), help: _('Whether metrics are served.') },
			{ name: "listen_interface", kind: "text", default: "loopback",
			  title: _('Listen interface'), help: _('The interface on which they are served.'), allowed: _('the name of an interface, at most 32 characters') },
			{ name: "listen_port", kind: "integer", digits: 9, low: 1, high: 65535, default: "9090",
			  title: _('Listen port'), help: _('The TCP port.'), allowed: _('a whole number from 1 to 65535') },
			{ name: "textfile", kind: "text",
			  title: _('Textfile'), help: _('A file to write every 15 s, for the textfile collector of prometheus-node-exporter-lua (/var/prometheus/remsim.prom).'), allowed: _('an absolute path') },
			{ name: "process", kind: "flag", default: "0",
			  title: _('Process'), help: _('Whether the process\'s own figures (process_*, python_*) are served, too.') }
		]
	},

	history: {
		repeated: false,
		options: [
			{ name: "enabled", kind: "flag", default: "1",
			  title: _('Enabled'), help: _('Whether values are recorded.') },
			{ name: "days", kind: "integer", digits: 9, low: 1, high: 366, default: "30",
			  title: _('Days'), help: _('How long they are kept.'), allowed: _('a whole number of days from 1 to 366') },
			{ name: "path", kind: "text", default: "/var/lib/remsim",
			  title: _('Path'), help: _('Where; RAM on a router, saved to state_dir once a day and on a stop.'), allowed: _('an absolute path') }
		]
	},

	alert: {
		repeated: true,
		options: [
			{ name: "metric", kind: "text", required: true,
			  title: _('Metric'), help: _('What is watched.'), allowed: _('the name of a metric, like remsim_signal_rssi_dbm') },
			{ name: "above", kind: "decimal", digits: 10, low: -1000000000, high: 1000000000,
			  title: _('Above'), help: _('Fires when the value is above.'), allowed: _('a number from -1e+09 to 1e+09') },
			{ name: "below", kind: "decimal", digits: 10, low: -1000000000, high: 1000000000,
			  title: _('Below'), help: _('Fires when the value is below.'), allowed: _('a number from -1e+09 to 1e+09') },
			{ name: "for", kind: "integer", digits: 9, low: 0, high: 86400, default: "0",
			  title: _('For'), help: _('How long it must be so.'), allowed: _('a whole number of seconds from 0 to 86400') },
			{ name: "hysteresis", kind: "decimal", digits: 10, low: 0, high: 1000000000, default: "0",
			  title: _('Hysteresis'), help: _('How far the value must come back beyond the bound before the alert is over.'), allowed: _('a number from 0 to 1e+09') },
			{ name: "severity", kind: "choice", choices: ["info", "warning", "critical"], default: "warning",
			  title: _('Severity'), help: _('How bad it is.') },
			{ name: "webhook", kind: "text",
			  title: _('Webhook'), help: _('Where it is sent.'), allowed: _('an https:// or http:// address') },
			{ name: "webhook_key_file", kind: "text",
			  title: _('Webhook key file'), help: _('A file with the key that signs what is sent.'), allowed: _('an absolute path') }
		]
	}
});
