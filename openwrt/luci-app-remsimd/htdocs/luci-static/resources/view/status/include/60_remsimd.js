'use strict';
'require baseclass';
'require remsimd.api as api';
'require remsimd.page as page';
'require remsimd.show as show';

return baseclass.extend({
	title: _('Remote SIM'),

	load() {
		return page.style().then(() => api.status()).catch(error => error);
	},

	render(status) {
		if (status instanceof Error)
			return E('em', {}, [ status.message ]);

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
			show.table([ _('Modem'), _('Card'), _('Network'), _('Signal'), _('Health'), _('Data') ], rows, _('No modem is configured.'))
		]);
	}
});
