'use strict';
'require baseclass';
'require remsimd.actions as actions';
'require remsimd.api as api';
'require remsimd.page as page';
'require remsimd.show as show';

/* The configured alerts: which fire, since when, by how much, and what to do about each. */

/* What to do, by the metric that an alert watches; the first pattern that fits counts. */
const ADVICE = [
	[ /mismatch/, _('Another card than the assigned one is read: check the wiring of the SIM lines, then change the card again on the SIM page.') ],
	[ /authentication/, _('The remote card refuses its network: test it on the SIM page, and tell whoever runs the bank.') ],
	[ /system_(cpu|memory)|process/, _('See in Status, Processes what else runs on the router.') ],
	[ /signal|rsrp|rsrq|rssi|sinr/, _('Check the antennas and their cables, or move the router.') ],
	[ /temperature/, _('Give the modem more air, or less sun.') ],
	[ /budget/, _('Raise the limit in the settings if the plan allows it, or wait for the reset day.') ],
	[ /failover|link_active|link_state/, _('Compare the links in Graphs; Failover says why the data moves.') ],
	[ /ionmesh/, _('Check the address and the key of IonMesh in the settings, and the way to it.') ],
	[ /tpdu|bankd|rspro|sim_session/, _('Check the SIM bank and the way to it: the connection stands on the SIM page.') ],
	[ /recovery|healing/, _('The modem does not come back by itself: check its power, its plug and its card.') ],
	[ /at_(timeouts|command)|reconnect/, _('The modem answers badly or comes and goes: check its plug and power, then restart it.') ],
	[ /latency|loss|probe|throughput/, _('Compare the links in Graphs; move the data if another one is better.') ],
	[ /connection|modem/, _('See on Modems whether the modem is there and what its network says; restart it if it stays so.') ],
	[ /remsim_sim_/, _('See on the SIM page which card is used and why.') ],
	[ /data|bytes/, _('See on Failover how much data each link has used.') ]
];
const OTHERWISE = _('See in Events what happened at that time.');

/* Unit, digits and factor, by the end of a metric's name. */
const UNITS = [
	[ /_dbm$/, 'dBm', 0, 1 ], [ /_db$/, 'dB', 0, 1 ], [ /_celsius$/, '°C', 0, 1 ],
	[ /_ms$/, 'ms', 0, 1 ], [ /_seconds$/, 's', 1, 1 ], [ /_percent$/, '%', 0, 1 ], [ /_ratio$/, '%', 0, 100 ]
];

function value(metric, number) {
	if (number == null)
		return _('not known yet');
	if (/_bytes$/.test(metric))
		return show.bytes(number);

	const [ , name, digits, factor ] = UNITS.find(([ pattern ]) => pattern.test(metric)) ?? [];
	return name ? show.unit(number * factor, name, digits) : `${Number(number.toPrecision(4))}`;
}

function advice(metric) {
	return (ADVICE.find(([ pattern ]) => pattern.test(metric)) ?? [ null, OTHERWISE ])[1];
}

function buttons(each) {
	return E('div', { 'class': 'remsimd-actions' }, [
		each.acknowledged ? '' : page.button(_('Acknowledge'), 'action', () => actions.acknowledge(each)),
		each.muted_for_s > 0
			? page.button(_('Unmute'), 'neutral', () => actions.unmute(each.alert))
			: page.button(_('Mute'), 'neutral', () => actions.mute(each.alert))
	]);
}

function state(each) {
	return [
		show.severity(each.severity),
		each.acknowledged ? E('div', { 'class': 'remsimd-quiet' }, [ _('acknowledged') ]) : '',
		each.muted_for_s > 0 ? E('div', { 'class': 'remsimd-quiet' }, [ _('muted for %s').format(show.duration(each.muted_for_s)) ]) : ''
	];
}

function row(each) {
	return [
		state(each),
		[ E('a', { 'href': `${L.url('admin/services/remsimd/events')}#alert=${encodeURIComponent(each.alert)}` }, [ each.alert ]),
			E('div', { 'class': 'remsimd-quiet' }, [ each.subject ]) ],
		show.duration(each.for_s),
		[ E('strong', {}, [ value(each.metric, each.value) ]), E('div', { 'class': 'remsimd-quiet' }, [ _('fires %s').format(each.condition) ]) ],
		advice(each.metric),
		buttons(each)
	];
}

/* The listing as one entry for each thing that an alert fires for. */
function firing(listing) {
	return listing.flatMap(({ standings, ...alert }) => standings
		.filter(standing => standing.phase == 'firing')
		.map(standing => ({ ...alert, ...standing })));
}

return baseclass.extend({
	advice: advice,
	value: value,
	firing: firing,

	/* The listing, and where that cannot be had, why; a router without alerts has an empty one. */
	ask() {
		return api.alerts().then(listing => ({ listing: listing, trouble: null }), error => {
			if (error.unreachable)
				throw error;
			return { listing: [], trouble: error.refused ? null : error.message };
		});
	},

	/* What fires as a table; nothing where none is configured. */
	draw({ listing, trouble }) {
		const found = firing(listing);

		if (trouble)
			return [ E('div', { 'class': 'alert-message warning' }, [ _('The alerts are not known: %s').format(trouble) ]) ];
		if (!listing.length)
			return [];
		if (!found.length)
			return [ E('p', { 'class': 'remsimd-quiet' }, [
				_('No alert fires. Configured: %s.').format(listing.map(alert => alert.alert).join(', '))
			]) ];
		return [ E('div', { 'class': 'cbi-section remsimd-alerts' }, [
			E('h3', {}, [ _('Alerts') ]),
			show.table([ _('Severity'), _('Alert'), _('Since'), _('Value'), _('What to do'), _('Webhook') ], found.map(row)),
			E('p', { 'class': 'remsimd-quiet' }, [ _('What is acknowledged or muted is shown here, and told to no webhook.') ])
		]) ];
	}
});
