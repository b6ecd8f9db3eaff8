'use strict';
'require view';
'require remsimd.actions as actions';
'require remsimd.api as api';
'require remsimd.page as page';
'require remsimd.show as show';

const EVERY_S = 3;

function buttons(status, name) {
	const modem = status.modems[name];

	if (modem.role != 'primary')
		return '–';
	return E('div', { 'class': 'remsimd-actions' }, [
		page.button(_('Local card'), 'neutral', () => actions.simUse(status, name, 'local')),
		page.button(_('Remote card'), 'action', () => actions.simUse(status, name, 'auto'))
	]);
}

function cards(status) {
	const rows = Object.entries(status.modems).map(([ name, modem ]) => [
		E('strong', {}, [ name ]),
		show.card(modem),
		show.text(modem.facts.sim_state),
		show.text(modem.facts.iccid),
		show.text(modem.facts.imsi),
		show.text(modem.sim_cause),
		buttons(status, name)
	]);

	return E('div', { 'class': 'cbi-section' }, [
		E('h3', {}, [ _('Cards') ]),
		show.table([ _('Modem'), _('Card'), _('State'), 'ICCID', 'IMSI', _('Why'), _('Use') ], rows, _('No modem is configured.'))
	]);
}

function traffic(status) {
	const rows = Object.entries(status.modems).filter(([ , modem ]) => modem.role == 'primary').map(([ name, modem ]) => [
		E('strong', {}, [ name ]),
		show.text(modem.tpdus),
		show.text(modem.tpdu_errors),
		show.text(modem.authentications_ok),
		show.text(modem.authentications_failed),
		show.text(modem.sim_switches)
	]);

	return E('div', { 'class': 'cbi-section' }, [
		E('h3', {}, [ _('Exchange with the card') ]),
		show.table([ _('Modem'), _('TPDUs'), _('without answer'), _('Authentications'), _('refused'), _('Switches') ], rows, _('No modem uses a remote card.'))
	]);
}

function session(status) {
	const peers = Object.entries(status.rspro.peers).map(([ name, peer ]) => [
		name,
		[ show.badge(peer.up ? _('up') : _('down'), peer.up ? 'good' : 'bad'), ' ', peer.endpoint, ' ', peer.detail ]
	]);

	return E('div', { 'class': 'cbi-section' }, [
		E('h3', {}, [ _('Connection to the bank (RSPRO)') ]),
		show.facts([
			[ _('State'), [ show.rspro(status.rspro), ' ', status.rspro.detail ] ],
			...peers,
			[ 'ATR', status.rspro.atr ],
			[ _('Last TPDU took'), status.rspro.last_tpdu_s == null ? null : show.unit(status.rspro.last_tpdu_s * 1000, 'ms') ]
		]),
		E('div', { 'class': 'remsimd-actions' }, [
			page.button(_('Test the remote card'), 'action', () => actions.simTest())
		])
	]);
}

function assigned(status) {
	const view = status.ionmesh, card = view.assignment ?? {};

	return E('div', { 'class': 'cbi-section' }, [
		E('h3', {}, [ _('Assignment (IonMesh)') ]),
		show.facts([
			[ _('State'), [ show.ionmesh(view), ' ', view.detail ] ],
			[ _('Card'), show.place(view.assignment) ],
			[ 'ICCID', card.iccid ],
			[ _('Mapping mode'), card.mapping_mode ],
			[ _('Server'), show.endpoint(card.server) ],
			[ _('Bankd'), show.endpoint(card.bankd) ],
			[ _('Announced as'), card.client_id == null ? null : _('client %d slot %d').format(card.client_id, card.client_slot) ],
			[ _('Given by'), view.assignment_source ],
			[ _('Last heartbeat'), view.last_heartbeat_s == null ? null : _('%s ago').format(show.age(status, view.last_heartbeat_s)) ],
			[ _('Over'), view.heartbeat_link ]
		]),
		E('div', { 'class': 'remsimd-actions' }, [
			page.button(_('Register with IonMesh again'), 'action', () => actions.register(status))
		])
	]);
}

return view.extend({
	async render() {
		return E('div', {}, [
			...page.title(_('SIM'), _('Which card each modem uses, and the bank’s card on its way here.')),
			await page.live(EVERY_S, api.status, status => [
				...show.troubles(status), cards(status), session(status), assigned(status), traffic(status)
			])
		]);
	},

	handleSave: null,
	handleSaveApply: null,
	handleReset: null
});
