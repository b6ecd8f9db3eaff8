'use strict';
'require view';
'require dom';
'require poll';
'require remsimd.api as api';
'require remsimd.page as page';
'require remsimd.show as show';

const EVERY_S = 5;
const SHOWN = 300;
const COLUMNS = [ 'time', 'severity', 'kind', 'subject', 'text' ];
const SEVERITIES = [ 'info', 'warning', 'error', 'critical' ];

/* Since the start from the daemon's memory, further back from its recording. */
const SPANS = [
	[ 0, _('since the start') ],
	[ 86400, _('last 24 h') ],
	[ 7 * 86400, _('last 7 d') ],
	[ 30 * 86400, _('last 30 d') ]
];
const RECORDED = 2000;	/* half of what ubus carries, when each is a long one */

/* The alert that an entry is about. */
const ALERT = /^(\S+) (?:fires|is over): /;

/* An alert whose history was asked for, by the address of the page. */
const ASKED = /^#alert=(.+)$/;

const QUOTED = /[",\n\r]/;
const FORMULA = /^[=+\-@\t\r]/;	/* a spreadsheet would run it */

function iso(entry) {
	return new Date(entry.wall_s * 1000).toISOString();
}

function cell(value) {
	const plain = FORMULA.test(value) ? `'${value}` : `${value}`;

	return QUOTED.test(plain) ? `"${plain.replace(/"/g, '""')}"` : plain;
}

function csv(entries) {
	const lines = entries.map(entry =>
		[ iso(entry), entry.severity, entry.kind, entry.subject, entry.text ].map(cell).join(','));

	return [ COLUMNS.join(','), ...lines, '' ].join('\r\n');
}

function json(entries) {
	return JSON.stringify(entries.map(({ wall_s, ...rest }) => ({ time: iso({ wall_s }), ...rest })), null, 2);
}

function save(name, type, content) {
	const url = URL.createObjectURL(new Blob([ content ], { type: type }));
	const link = E('a', { 'href': url, 'download': name });

	link.click();
	window.setTimeout(() => URL.revokeObjectURL(url), 1000);
}

function alertOf(entry) {
	return entry.kind == 'alert' ? ALERT.exec(entry.text)?.[1] ?? null : null;
}

function choice(label, pairs, changed) {
	return E('select', { 'class': 'cbi-input-select', 'aria-label': label, 'change': changed },
		pairs.map(([ value, text ]) => E('option', { 'value': value }, [ text ])));
}

return view.extend({
	entries: [],

	matching() {
		const words = this.words.value.toLowerCase();
		const atLeast = SEVERITIES.indexOf(this.severity.value);

		return this.entries.filter(entry =>
			SEVERITIES.indexOf(entry.severity) >= atLeast
			&& (!this.kind.value || entry.kind == this.kind.value)
			&& (!this.subject.value || entry.subject == this.subject.value)
			&& (!this.alert.value || alertOf(entry) == this.alert.value)
			&& `${entry.kind} ${entry.subject} ${entry.text}`.toLowerCase().includes(words));
	},

	/* Offer every kind or subject there is, keeping what is chosen. */
	offer(select, every, names) {
		const all = [ ...new Set(names) ].sort(), chosen = select.value;

		if (chosen && !all.includes(chosen))
			all.push(chosen);
		if ([ ...select.options ].slice(1).map(option => option.value).join() == all.join())
			return;
		dom.content(select, [ E('option', { 'value': '' }, [ every ]),
			...all.map(name => E('option', { 'value': name }, [ name ])) ]);
		select.value = chosen;
	},

	draw() {
		const found = this.matching(), older = this.span.value != '0' && this.entries.length == RECORDED;

		this.offer(this.kind, _('every kind'), this.entries.map(entry => entry.kind));
		this.offer(this.subject, _('everyone'), this.entries.map(entry => entry.subject));
		this.offer(this.alert, _('every alert'), this.entries.map(alertOf).filter(name => name));
		dom.content(this.count, [ older ? _('of the newest %d: ').format(RECORDED) : '', found.length > SHOWN
			? _('the newest %d of %d').format(SHOWN, found.length) : _('%d events').format(found.length) ]);
		dom.content(this.shown, [ show.table([ _('Time'), _('Severity'), _('Kind'), _('Who'), _('What') ],
			found.slice(-SHOWN).reverse().map(entry => [
				show.when(entry.wall_s), show.severity(entry.severity), entry.kind, entry.subject, entry.text
			]), _('Nothing of that kind happened.')) ]);
	},

	refresh() {
		const span_s = Number(this.span.value);

		return (span_s ? api.recordedEvents(span_s, RECORDED) : api.events()).then(entries => {
			dom.content(this.told, []);
			this.entries = entries;
			this.draw();
		}, error => dom.content(this.told, [ E('div', { 'class': 'alert-message warning' }, [ error.message ]) ]));
	},

	load() {
		return page.style();
	},

	render() {
		const redraw = () => this.draw(), asked = decodeURIComponent(ASKED.exec(location.hash)?.[1] ?? '');

		this.told = E('div');
		this.count = E('span', { 'class': 'remsimd-quiet', 'role': 'status' });
		this.shown = E('div', { 'class': 'remsimd-live remsimd-events' });
		this.words = E('input', { 'type': 'search', 'class': 'cbi-input-text', 'placeholder': _('Search'), 'aria-label': _('Search'), 'input': redraw });
		this.severity = choice(_('Severity'), [ [ 'info', _('every severity') ], [ 'warning', _('warning and worse') ], [ 'error', _('error and worse') ] ], redraw);
		this.kind = choice(_('Kind'), [ [ '', _('every kind') ] ], redraw);
		this.subject = choice(_('Who'), [ [ '', _('everyone') ] ], redraw);
		this.alert = choice(_('Alert'), [ [ '', _('every alert') ], ...(asked ? [ [ asked, asked ] ] : []) ], redraw);
		this.alert.value = asked;
		this.span = choice(_('Time'), SPANS, () => this.refresh());

		poll.add(() => this.refresh(), EVERY_S);
		return this.refresh().then(() => E('div', {}, [
			...page.title(_('Events'), _('What happened, newest first.')),
			this.told,
			E('div', { 'class': 'remsimd-filter' }, [
				this.span, this.severity, this.kind, this.subject, this.alert, this.words, this.count,
				E('button', { 'type': 'button', 'class': 'btn cbi-button', 'click': () => save('remsim-events.csv', 'text/csv', csv(this.matching())) }, [ _('Save as CSV') ]),
				E('button', { 'type': 'button', 'class': 'btn cbi-button', 'click': () => save('remsim-events.json', 'application/json', json(this.matching())) }, [ _('Save as JSON') ])
			]),
			this.shown
		]));
	},

	handleSave: null,
	handleSaveApply: null,
	handleReset: null
});
