'use strict';
'require view';
'require remsimd.actions as actions';
'require remsimd.api as api';
'require remsimd.page as page';
'require remsimd.show as show';

const EVERY_S = 3;

const PERIODS = [ 'today', 'week', 'month', 'plan' ];

/* Everything the view shows; what is off (no failover, no history) is null. */
function ask() {
	return Promise.all([
		api.status(),
		api.explain().catch(optional),
		api.usage().catch(optional)
	]);
}

function optional(error) {
	if (error.unreachable)
		throw error;
	return { off: error.message };
}

function decision(status, told) {
	if (told.off)
		return E('div', { 'class': 'alert-message warning' }, [ told.off ]);

	const lines = [
		E('div', {}, [
			_('Data uses'), ' ', E('strong', {}, [ told.active ?? _('no link yet') ]),
			told.for_s == null ? '' : ' ' + _('for %s').format(show.duration(told.for_s)),
			E('span', { 'class': 'remsimd-why' }, [ ' (', told.why, ')' ])
		])
	];

	if (told.pinned)
		lines.push(E('div', {}, [ show.badge(_('%s was chosen by hand and is kept while it is up').format(told.pinned), 'warn') ]));
	if (told.next_change_in_s != null)
		lines.push(E('div', {}, [ _('If nothing else happens, this changes in %s.').format(show.duration(told.next_change_in_s)) ]));
	if (told.route_error)
		lines.push(E('div', { 'class': 'alert-message error' }, [ _('The route cannot be moved: %s').format(told.route_error) ]));
	return E('div', { 'class': 'remsimd-summary' }, lines);
}

function links(status, told) {
	const rows = (told.links ?? []).map(link => [
		E('strong', {}, [ link.name ]),
		`${link.priority}`,
		show.health(link),
		link.cause,
		link.standing,
		show.budget(status.links[link.name] ?? {}),
		page.button(_('Use'), 'action', () => actions.failoverTo(status, link.name))
	]);

	return E('div', { 'class': 'cbi-section' }, [
		E('h3', {}, [ _('Links') ]),
		show.table([ _('Link'), _('Priority'), _('Health'), _('Cause'), _('What now'), _('Own traffic'), _('Data') ],
			rows, _('No link is known.')),
		E('div', { 'class': 'remsimd-actions' }, [
			page.button(_('Choose by health'), 'action', () => actions.failoverAuto())
		])
	]);
}

function moves(status) {
	const rows = Object.entries(status.failovers).map(([ way, count ]) => [ way.replace('->', ' → '), `${count}` ]);

	return E('div', { 'class': 'cbi-section' }, [
		E('h3', {}, [ _('Moves since the start') ]),
		show.table([ _('From and to'), _('Times') ], rows, _('The data was not moved yet.'))
	]);
}

function used(usage) {
	const sum = spent => spent == null ? '–' : show.bytes(spent.rx_bytes + spent.tx_bytes);
	const rows = Object.entries(usage.off ? {} : usage).map(([ link, spent ]) =>
		[ E('strong', {}, [ link ]), ...PERIODS.map(period => sum(spent[period])) ]);

	return E('div', { 'class': 'cbi-section' }, [
		E('h3', {}, [ _('Data used') ]),
		show.table([ _('Link'), _('Today'), _('This week'), _('This month'), _('This plan') ],
			rows, usage.off ?? _('No data was used yet.'))
	]);
}

return view.extend({
	async render() {
		return E('div', {}, [
			...page.title(_('Failover'), _('Which link carries the data, why, and what would change that.')),
			await page.live(EVERY_S, ask, ([ status, told, usage ]) => [
				...show.troubles(status), decision(status, told), links(status, told), used(usage), moves(status)
			])
		]);
	},

	handleSave: null,
	handleSaveApply: null,
	handleReset: null
});
