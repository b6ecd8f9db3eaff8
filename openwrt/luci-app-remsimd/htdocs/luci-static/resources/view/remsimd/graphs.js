'use strict';
'require view';
'require dom';
'require poll';
'require ui';
'require remsimd.api as api';
'require remsimd.chart as chart';
'require remsimd.page as page';
'require remsimd.show as show';

const MOVES = 200, MOVES_TOLD = 3;
const LIVE_EVERY_S = 2, LIVE_KEPT_S = 600, RECORDED_EVERY_S = 60;

/*
 * Range in seconds, 0 for live, and about how many points of each line: steps of a minute, 5 minutes,
 * an hour and 3 hours, so that the daemon reads little and answers with far less than ubus carries.
 */
const RANGES = [
	[ 0, _('live') ],
	[ 3600, _('1 h'), 60 ],
	[ 86400, _('24 h'), 288 ],
	[ 7 * 86400, _('7 d'), 168 ],
	[ 30 * 86400, _('30 d'), 240 ]
];

/* Recorded metric, title, unit, digits, factor, and the fact that shows it live where there is one. */
const CHARTS = [
	{ metric: 'rsrp', title: _('Signal power (RSRP)'), unit: 'dBm', digits: 0, fact: 'rsrp_dbm' },
	{ metric: 'sinr', title: _('Signal to noise (SINR)'), unit: 'dB', digits: 0, fact: 'sinr_db' },
	{ metric: 'rsrq', title: _('Signal quality (RSRQ)'), unit: 'dB', digits: 0, fact: 'rsrq_db' },
	{ metric: 'rssi', title: _('Received power (RSSI)'), unit: 'dBm', digits: 0, fact: 'rssi_dbm' },
	{ metric: 'nr_rsrp', title: _('5G signal power (RSRP)'), unit: 'dBm', digits: 0, fact: 'nr_rsrp_dbm' },
	{ metric: 'nr_sinr', title: _('5G signal to noise (SINR)'), unit: 'dB', digits: 0, fact: 'nr_sinr_db' },
	{ metric: 'temperature', title: _('Temperature'), unit: '°C', digits: 0, fact: 'temperature_c' },
	{ metric: 'latency', title: _('Latency'), unit: 'ms', digits: 0 },
	{ metric: 'loss', title: _('Lost probes'), unit: '%', digits: 0, factor: 100 },
	{ metric: 'rx_rate', title: _('Received'), unit: 'kB/s', digits: 1, factor: 1e-3 },
	{ metric: 'tx_rate', title: _('Sent'), unit: 'kB/s', digits: 1, factor: 1e-3 }
];

/* The moves among the entries about failover; the first choice of a link is told as an info. */
function movesIn(entries) {
	return entries.filter(entry => entry.severity != 'info').map(entry => ({ s: entry.wall_s, text: entry.text }));
}

return view.extend({
	range_s: 0,
	moves: [],
	facts: [],		/* [ s, { modem: facts } ] of the last minutes */

	/* One chart a metric that has values; those drawn before are taken again. */
	draw(courses, gap_s, span_s) {
		const now_s = Date.now() / 1000;
		const shown = this.moves.filter(({ s }) => s > now_s - span_s);
		const drawn = CHARTS.filter(each => courses[each.metric]);

		dom.content(this.moved, shown.length ? [
			E('span', { 'class': 'remsimd-moved', 'aria-hidden': 'true' }, [ '▾' ]), ' ', _('The data moved:'), ' ',
			shown.slice(-MOVES_TOLD).reverse().map(({ s, text }) => `${show.when(s)} ${text}`).join('; ')
		] : []);
		dom.content(this.shown, drawn.length ? [] : [ E('em', {}, [ _('Nothing was recorded in that time yet.') ]) ]);
		for (const each of drawn) {
			const subjects = Object.keys(courses[each.metric]);
			const key = `${each.metric} ${subjects.join()}`;

			if (!this.charts[key]) {
				const frame = E('div');
				const node = E('div', { 'class': 'remsimd-chart', 'data-metric': each.metric }, [
					E('h3', {}, [ each.title, ' ', E('span', { 'class': 'remsimd-quiet' }, [ each.unit ]) ]), frame
				]);

				this.shown.appendChild(node);
				this.charts[key] = { node: node, plot: chart.make(frame, subjects, each.unit, each.digits) };
			}
			this.shown.appendChild(this.charts[key].node);
			this.charts[key].plot.show(chart.aligned(subjects.map(subject => courses[each.metric][subject]), gap_s),
				now_s - span_s, now_s, shown.map(({ s }) => s));
		}
	},

	async drawLive() {
		const status = await api.status();
		const courses = {};

		this.moves = movesIn(await api.moves(MOVES));
		this.facts.push([ status.now_s, Object.fromEntries(
			Object.entries(status.modems).map(([ name, modem ]) => [ name, modem.facts ])) ]);
		this.facts = this.facts.filter(([ s ]) => s > status.now_s - LIVE_KEPT_S);
		for (const { metric, fact } of CHARTS.filter(each => each.fact))
			for (const name in status.modems) {
				const rows = this.facts.map(([ s, facts ]) => [ s, facts[name]?.[fact] ]).filter(row => row[1] != null);

				if (rows.length)
					(courses[metric] = courses[metric] ?? {})[name] = rows;
			}
		if (this.range_s == 0)
			this.draw(courses, 5 * LIVE_EVERY_S, LIVE_KEPT_S);
	},

	/* One question after the other: all answers at once would be more than ubusd keeps for one client. */
	async drawRecorded() {
		const range_s = this.range_s, courses = {};
		const points = RANGES.find(range => range[0] == range_s)[2];
		let step_s = RECORDED_EVERY_S;

		const recorded = new Set((await api.series()).map(series => series.metric));

		this.moves = movesIn(await api.recordedMoves(range_s, MOVES));
		for (const { metric, factor } of CHARTS.filter(each => recorded.has(each.metric))) {
			const found = await api.history(metric, range_s, points);

			step_s = found.step_s;
			for (const [ subject, rows ] of Object.entries(found.subjects))
				(courses[metric] = courses[metric] ?? {})[subject] =
					rows.map(([ begin_s, , , average ]) => [ begin_s, average * (factor ?? 1) ]);
			if (range_s != this.range_s)
				return;
		}
		this.draw(courses, 3 * step_s, range_s);
	},

	refresh() {
		const drawing = this.range_s ? this.drawRecorded() : this.drawLive();

		return drawing.then(() => dom.content(this.told, []),
			error => dom.content(this.told, [ E('div', { 'class': 'alert-message warning' }, [ error.message ]) ]));
	},

	choose(range_s) {
		this.range_s = range_s;
		for (const button of this.ranges.children)
			button.setAttribute('aria-pressed', Number(button.dataset.range) == range_s);
		return this.refresh();
	},

	load() {
		return Promise.all([ page.style(), chart.ready() ]);
	},

	render() {
		this.charts = {};
		this.told = E('div');
		this.moved = E('p', { 'class': 'remsimd-quiet' });
		this.shown = E('div', { 'class': 'remsimd-charts' });
		this.ranges = E('div', { 'class': 'remsimd-ranges', 'role': 'group', 'aria-label': _('Time') },
			RANGES.map(([ range_s, label ]) => E('button', {
				'type': 'button', 'class': 'btn cbi-button', 'data-range': range_s, 'aria-pressed': range_s == this.range_s,
				'click': ui.createHandlerFn(this, 'choose', range_s)
			}, [ label ])));

		poll.add(() => this.range_s == 0 ? this.refresh() : null, LIVE_EVERY_S);
		poll.add(() => this.range_s != 0 ? this.refresh() : null, RECORDED_EVERY_S);
		return E('div', {}, [
			...page.title(_('Graphs'), _('Signal, latency and traffic. A gap is a time without values, a dashed mark a moment at which the data moved to another link.')),
			this.ranges, this.told, this.moved, this.shown
		]);
	},

	handleSave: null,
	handleSaveApply: null,
	handleReset: null
});
