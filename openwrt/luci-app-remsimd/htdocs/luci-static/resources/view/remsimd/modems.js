'use strict';
'require view';
'require ui';
'require remsimd.actions as actions';
'require remsimd.api as api';
'require remsimd.page as page';
'require remsimd.show as show';

const EVERY_S = 3;

function radio(facts) {
	return [
		[ _('Technology'), facts.rat ],
		[ _('Operator'), facts.operator ],
		[ _('Network code'), facts.mcc && `${facts.mcc}-${facts.mnc}` ],
		[ _('Band'), facts.band ],
		[ _('Cell'), facts.cell_id ],
		[ _('Tracking area'), facts.tac ],
		[ _('Physical cell'), facts.pci ],
		[ _('Channel (ARFCN)'), facts.arfcn ],
		[ _('5G band'), facts.nr_band ],
		[ _('5G physical cell'), facts.nr_pci ],
		[ _('5G channel'), facts.nr_arfcn ]
	];
}

function signal(facts) {
	return [
		[ 'RSSI', show.unit(facts.rssi_dbm, 'dBm') ],
		[ 'RSRP', show.unit(facts.rsrp_dbm, 'dBm') ],
		[ 'RSRQ', show.unit(facts.rsrq_db, 'dB') ],
		[ 'SINR', show.unit(facts.sinr_db, 'dB') ],
		[ '5G RSRP', show.unit(facts.nr_rsrp_dbm, 'dBm') ],
		[ '5G RSRQ', show.unit(facts.nr_rsrq_db, 'dB') ],
		[ '5G SINR', show.unit(facts.nr_sinr_db, 'dB') ]
	];
}

function device(status, state) {
	return [
		[ _('Manufacturer'), state.facts.manufacturer ],
		[ _('Model'), state.facts.model ],
		[ _('Firmware'), state.facts.firmware ],
		[ 'IMEI', state.facts.imei ],
		[ _('AT port'), state.port ?? state.reason ],
		[ _('There since'), state.since_s == null ? null : _('%s ago').format(show.age(status, state.since_s)) ],
		[ _('Driver'), state.driver ],
		[ _('Came back'), state.reconnects ],
		[ _('AT timeouts'), state.at_timeouts ],
		[ _('Temperatures'), state.temperatures.map(t => `${t.sensor} ${show.unit(t.celsius, '°C')}`).join(', ') ],
		[ _('Recovery'), state.recovering && `${state.recovering}: ${state.recovery_cause}` ]
	];
}

function section(status, name) {
	const state = status.modems[name];

	return E('div', { 'class': 'cbi-section', 'data-modem': name }, [
		E('h3', {}, [ name, ' ', E('span', { 'class': 'remsimd-quiet' }, [ state.identity?.model ?? state.role ]) ]),
		E('p', {}, [ show.network(state), ', ', show.signal(state) ]),
		E('div', { 'class': 'remsimd-modems' }, [ device(status, state), radio(state.facts), signal(state.facts) ]
			.map(pairs => E('div', {}, [ show.facts(pairs) ]))),
		E('div', { 'class': 'remsimd-actions' }, [
			page.button(_('Restart'), 'negative', () => actions.modemReset(status, name))
		])
	]);
}

/* An engineer's line to one modem; what was said stays on the page. */
function terminal(names) {
	const said = E('pre', { 'aria-live': 'polite' }, []);
	const command = E('input', { 'type': 'text', 'class': 'cbi-input-text', 'placeholder': 'AT+CSQ', 'aria-label': _('AT command') });
	const modem = E('select', { 'class': 'cbi-input-select', 'aria-label': _('Modem') },
		names.map(name => E('option', { 'value': name }, [ name ])));
	const tell = text => {
		said.appendChild(document.createTextNode(text + '\n'));
		said.scrollTop = said.scrollHeight;
	};
	const send = ui.createHandlerFn(null, () => {
		tell(`${modem.value} > ${command.value}`);
		return api.modemAt(modem.value, command.value).then(
			answer => [ ...answer.lines, answer.result ].forEach(tell),
			error => tell(error.message));
	});
	const button = page.button(_('Send'), 'action', send);

	command.addEventListener('keydown', ev => {
		if (ev.key == 'Enter')
			button.click();
	});
	return E('div', { 'class': 'cbi-section remsimd-console' }, [
		E('h3', {}, [ _('AT commands') ]),
		E('p', {}, [ _('For engineers. The line waits for its turn between the daemon’s own commands and is answered within ten seconds (remsimctl waits longer); one that changes the radio, the echo or the card interrupts the traffic.') ]),
		E('div', { 'class': 'remsimd-filter' }, [ modem, command, button ]),
		said
	]);
}

return view.extend({
	load() {
		return L.resolveDefault(api.status(), { modems: {} });
	},

	async render(first) {
		return E('div', {}, [
			...page.title(_('Modems'), _('What each modem says about itself, its cell and its signal.')),
			await page.live(EVERY_S, api.status, status => [
				...show.troubles(status),
				...Object.keys(status.modems).map(name => section(status, name))
			]),
			terminal(Object.keys(first.modems))
		]);
	},

	handleSave: null,
	handleSaveApply: null,
	handleReset: null
});
