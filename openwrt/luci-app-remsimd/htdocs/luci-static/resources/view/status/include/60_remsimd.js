'use strict';
'require baseclass';
'require remsimd.alerts as alerts';
'require remsimd.api as api';
'require remsimd.page as page';
'require remsimd.show as show';
'require remsimd.verdict as verdict';

/* The gravest finding, a line about alerts, and a line for each modem. */
function draw([ status, { listing } ]) {
	const found = verdict.of(status, alerts.firing(listing)).filter((each, n) => n == 0 || each.alerts);
	const rows = Object.entries(status.modems).map(([ name, modem ]) => [
		E('strong', {}, [ name ]),
		show.card(modem),
		show.network(modem),
		show.signal(modem),
		show.health(status.links[name]),
		name == status.active_link ? show.badge(_('carries the data'), 'good') : '–'
	]);

	return E('div', { 'class': 'remsimd-live' }, [
		...show.troubles(status),
		verdict.draw(found),
		show.table([ _('Modem'), _('Card'), _('Network'), _('Signal'), _('Health'), _('Data') ], rows, _('No modem is configured.'))
	]);
}

return baseclass.extend({
	title: _('Remote SIM'),

	load() {
		return page.style().then(() => Promise.all([ api.status(), alerts.ask() ]))
			.then(answer => page.drawn(draw, answer)).catch(error => E('em', {}, [ error.message ]));
	},

	render(node) {
		return node;
	}
});
