'use strict';
'require view';
'require remsimd.actions as actions';
'require remsimd.alerts as alerts';
'require remsimd.api as api';
'require remsimd.page as page';
'require remsimd.show as show';
'require remsimd.verdict as verdict';
'require remsimd.way as way';

const EVERY_S = 3;

function because(cause) {
	return cause ? E('span', { 'class': 'remsimd-why' }, [ ' (', cause, ')' ]) : '';
}

/* Which card is where and why, and where the data goes: a line each. */
function summary(status) {
	const cards = Object.entries(status.modems).map(([ name, modem ]) => E('div', {}, [
		E('strong', {}, [ name ]), ' ', show.card(modem), because(modem.sim_cause)
	]));
	const data = E('div', {}, [
		_('Data uses'), ' ', E('strong', {}, [ status.active_link ?? _('no link yet') ]),
		status.active_since_s == null ? '' : ' ' + _('for %s').format(show.age(status, status.active_since_s)),
		because(status.active_cause)
	]);

	return E('div', { 'class': 'remsimd-summary' }, [ data, ...cards ]);
}

function legend() {
	return E('div', { 'class': 'remsimd-legend' }, [
		E('span', { 'class': 'remsimd-card' }, [ _('the remote card’s way') ]),
		E('span', { 'class': 'remsimd-data' }, [ _('the data’s way') ]),
		E('span', { 'class': 'remsimd-idle' }, [ _('there, not in use') ]),
		E('span', { 'class': 'remsimd-broken' }, [ _('lost') ])
	]);
}

function links(status) {
	const rows = Object.entries(status.links).map(([ name, link ]) => [
		E('strong', {}, [ name ]),
		name == status.active_link ? show.badge(_('carries the data'), 'good') : '–',
		show.health(link),
		show.age(status, link.since_s),
		link.cause,
		show.text(link.interface),
		show.budget(link)
	]);

	return E('div', { 'class': 'cbi-section' }, [
		E('h3', {}, [ _('Links') ]),
		show.table([ _('Link'), _('Data'), _('Health'), _('For'), _('Cause'), _('Interface'), _('Own traffic') ],
			rows, _('No modem is configured.'))
	]);
}

function remote(status) {
	const assignment = status.ionmesh.assignment;

	return E('div', { 'class': 'cbi-section' }, [
		E('h3', {}, [ _('Remote card') ]),
		show.facts([
			[ 'RSPRO', [ show.rspro(status.rspro), ' ', status.rspro.detail ] ],
			[ 'IonMesh', [ show.ionmesh(status.ionmesh), ' ', status.ionmesh.detail ] ],
			[ _('Card'), show.place(assignment) ],
			[ _('Last heartbeat'), status.ionmesh.last_heartbeat_s == null
				? null : _('%s ago').format(show.age(status, status.ionmesh.last_heartbeat_s)) ]
		])
	]);
}

function modem(status, name) {
	const state = status.modems[name], facts = state.facts;
	const buttons = [];

	if (state.sim_source == 'remote')
		buttons.push(page.button(_('Use the local card'), 'neutral', () => actions.simUse(status, name, 'local')));
	else if (state.role == 'primary')
		buttons.push(page.button(_('Use the remote card'), 'action', () => actions.simUse(status, name, 'auto')));
	if (status.active_link != name)
		buttons.push(page.button(_('Move the data here'), 'neutral', () => actions.failoverTo(status, name)));
	buttons.push(page.button(_('Restart'), 'negative', () => actions.modemReset(status, name)));

	return E('div', { 'class': 'remsimd-modem', 'data-modem': name }, [
		E('h3', {}, [ name, ' ', E('span', { 'class': 'remsimd-quiet' }, [
			[ state.identity?.model, state.role != name ? state.role : null ].filter(word => word).join(', ')
		]) ]),
		show.facts([
			[ _('Network'), show.network(state) ],
			[ _('Technology'), [ facts.rat, facts.band, facts.nr_band ].filter(word => word).join(', ') ],
			[ _('Signal'), [ show.signal(state) ] ],
			[ 'SINR', show.unit(facts.sinr_db ?? facts.nr_sinr_db, 'dB') ],
			[ _('Temperature'), show.unit(facts.temperature_c, '°C') ],
			[ _('Card'), show.card(state) ],
			[ 'ICCID', facts.iccid ],
			[ _('Recovery'), state.recovering && `${state.recovering}: ${state.recovery_cause}` ]
		]),
		E('div', { 'class': 'remsimd-actions' }, buttons)
	]);
}

function draw([ status, alerting ]) {
	return [
		...show.troubles(status),
		verdict.draw(verdict.of(status, alerts.firing(alerting.listing))),
		...alerts.draw(alerting),
		summary(status),
		way.draw(status),
		legend(),
		E('div', { 'class': 'remsimd-modems' }, Object.keys(status.modems).map(name => modem(status, name))),
		links(status),
		remote(status),
		E('button', { 'type': 'button', 'class': 'btn cbi-button', 'click': () => actions.test() }, [ _('Check everything') ]),
		E('p', { 'class': 'remsimd-quiet' }, [ _('remsimd %s, running for %s').format(status.version, show.duration(status.uptime_s)) ])
	];
}

return view.extend({
	async render() {
		return E('div', {}, [
			...page.title(_('Remote SIM'), _('Which card is where and why, and how the router reaches the network.')),
			await page.live(EVERY_S, () => Promise.all([ api.status(), alerts.ask() ]), draw)
		]);
	},

	handleSave: null,
	handleSaveApply: null,
	handleReset: null
});
