'use strict';
'require baseclass';

/*
 * The daemon's values as text and small elements. What comes from the daemon only ever becomes a
 * text node: children of E() are given as arrays, because a bare string would be read as HTML.
 */

const MARKS = { good: '✓', warn: '!', bad: '✕', dull: '–' };

const HEALTH = { up: 'good', suspect: 'warn', down: 'bad', unknown: 'dull' };
const SEVERITY = { info: 'dull', warning: 'warn', error: 'bad', critical: 'bad' };
const RSPRO = { operational: 'good', holding: 'warn', idle: 'dull' };
const IONMESH = { registered: 'good', off: 'dull', refused: 'bad', unreachable: 'bad', 'no-slot': 'bad' };

/* RSRP: from where on a network is good, usable, poor. */
const GOOD_RSRP_DBM = -95, FAIR_RSRP_DBM = -110;

function duration(seconds) {
	const s = Math.max(0, Math.round(seconds));

	if (s < 60)
		return _('%d s').format(s);
	if (s < 3600)
		return _('%d min').format(Math.floor(s / 60));
	if (s < 86400)
		return _('%d h %d min').format(Math.floor(s / 3600), Math.floor(s % 3600 / 60));
	return _('%d d %d h').format(Math.floor(s / 86400), Math.floor(s % 86400 / 3600));
}

function mark(tone) {
	return E('span', { 'class': 'remsimd-mark', 'aria-hidden': 'true' }, [ MARKS[tone] ]);
}

function badge(text, tone) {
	return E('span', { 'class': 'remsimd-badge remsimd-' + tone }, [ mark(tone), text ]);
}

function text(value) {
	return value == null || value === '' ? '–' : `${value}`;
}

function unit(value, name, digits) {
	return value == null ? '–' : `${Number(value).toFixed(digits ?? 0)} ${name}`;
}

return baseclass.extend({
	duration: duration,
	mark: mark,
	badge: badge,
	text: text,
	unit: unit,

	health(link) {
		return badge(link?.health ?? _('unknown'), HEALTH[link?.health] ?? 'dull');
	},

	severity(name) {
		return badge(name, SEVERITY[name] ?? 'dull');
	},

	rspro(view) {
		return badge(view.state, RSPRO[view.state] ?? 'warn');
	},

	ionmesh(view) {
		return badge(view.state, IONMESH[view.state] ?? 'warn');
	},

	/* How long ago a wall-clock time of the router was, by the router's own clock. */
	age(status, since_s) {
		return since_s == null ? '–' : duration(status.now_s - since_s);
	},

	when(wall_s) {
		return new Date(wall_s * 1000).toLocaleString();
	},

	bytes(count) {
		if (count == null)
			return '–';
		if (count < 1e3)
			return _('%d B').format(count);
		if (count < 1e6)
			return _('%s kB').format((count / 1e3).toFixed(1));
		if (count < 1e9)
			return _('%s MB').format((count / 1e6).toFixed(1));
		return _('%s GB').format((count / 1e9).toFixed(2));
	},

	/* The bank and slot of the assigned card. */
	place(assignment) {
		if (assignment?.bank_id == null)
			return null;
		return _('bank %d slot %d').format(assignment.bank_id, assignment.slot_id);
	},

	endpoint(end) {
		return end ? `${end.host}:${end.port}` : '–';
	},

	/* Where a modem is registered, or why it is not. */
	network(modem) {
		const registration = modem.registration;

		if (modem.port == null)
			return _('gone: %s').format(modem.reason);
		if (registration == null)
			return _('unknown');
		if (registration.state != 'home' && registration.state != 'roaming')
			return registration.state;

		const name = registration.operator || registration.plmn || _('registered');
		return registration.state == 'roaming' ? _('%s (roaming)').format(name) : name;
	},

	/* Which card a modem is on, in words. */
	card(modem) {
		if (modem.sim_switching_to != null)
			return _('moving to the %s card').format(modem.sim_switching_to);
		return modem.sim_source == 'remote' ? _('on the remote card') : _('on its local card');
	},

	/* Four bars and the figure; the words say what the bars show. */
	signal(modem) {
		const dbm = modem.facts?.rsrp_dbm ?? modem.facts?.nr_rsrp_dbm;

		if (dbm == null)
			return E('span', { 'class': 'remsimd-signal' }, [ _('no signal measured') ]);

		const filled = Math.max(1, Math.min(4, Math.ceil((dbm + 125) / 11)));
		const word = dbm >= GOOD_RSRP_DBM ? _('good') : dbm >= FAIR_RSRP_DBM ? _('fair') : _('poor');
		const bars = [ 1, 2, 3, 4 ].map(n =>
			E('i', { 'class': n <= filled ? 'filled' : '', 'style': `height:${n * 25}%` }));

		return E('span', { 'class': 'remsimd-signal' }, [
			E('span', { 'class': 'remsimd-bars', 'aria-hidden': 'true' }, bars),
			E('strong', {}, [ unit(dbm, 'dBm') ]), ' ', word
		]);
	},

	/* Own traffic on a link with a data limit. */
	budget(link) {
		if (link.limit_bytes == null)
			return _('no limit');

		const share = Math.min(100, 100 * link.spent_bytes / link.limit_bytes);
		const told = _('%s of %s').format(this.bytes(link.spent_bytes), this.bytes(link.limit_bytes));

		return E('div', { 'class': 'cbi-progressbar', 'title': told }, [
			E('div', { 'style': `width:${share.toFixed(1)}%` })
		]);
	},

	/* A table whose cells carry their heading for narrow screens, as LuCI's themes expect it. */
	table(titles, rows, empty) {
		const head = E('tr', { 'class': 'tr table-titles' },
			titles.map(title => E('th', { 'class': 'th' }, [ title ])));
		const body = rows.map(cells => E('tr', { 'class': 'tr' }, cells.map((cell, n) =>
			E('td', { 'class': 'td', 'data-title': titles[n] }, Array.isArray(cell) ? cell : [ cell ]))));

		if (!rows.length)
			body.push(E('tr', { 'class': 'tr placeholder' }, [
				E('td', { 'class': 'td', 'colspan': titles.length }, [ E('em', {}, [ empty ]) ])
			]));
		return E('table', { 'class': 'table' }, [ head, ...body ]);
	},

	/* Names and values in two columns; what is not known is left out. */
	facts(pairs) {
		return E('table', { 'class': 'table remsimd-facts' }, pairs
			.filter(([ , value ]) => value != null && value !== '' && value !== '–')
			.map(([ name, value ]) => E('tr', { 'class': 'tr' }, [
				E('td', { 'class': 'td left', 'width': '33%' }, [ name ]),
				E('td', { 'class': 'td left' }, Array.isArray(value) ? value : [ value ])
			])));
	},

	/* What is wrong as a whole: parts that failed, a configuration that was refused. */
	troubles(status) {
		const found = Object.entries(status.parts)
			.filter(([ , part ]) => !part.running)
			.map(([ name, part ]) => _('%s failed: %s').format(name, part.reason));

		found.push(...status.config_mistakes.map(mistake =>
			_('The new configuration was refused, the running one stays: %s').format(mistake)));
		return found.map(line => E('div', { 'class': 'alert-message warning' }, [ line ]));
	}
});
