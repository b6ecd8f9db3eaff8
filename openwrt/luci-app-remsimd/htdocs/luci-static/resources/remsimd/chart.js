'use strict';
'require baseclass';
'require dom';

/* uPlot, loaded once and only where graphs are shown, with the theme's colours. */

const HEIGHT = 190;
const COLOURS = [ '#1f77b4', '#d9730d', '#2a8a4a', '#8a4fbf', '#a8423f' ];
const DASHES = [ [], [ 6, 4 ], [ 2, 3 ], [ 8, 3, 2, 3 ], [ 12, 4 ] ];	/* told apart without colour, too */

let loading = null;

function library() {
	loading = loading ?? new Promise((resolve, reject) => {
		document.head.appendChild(E('link', { 'rel': 'stylesheet', 'href': L.resource('remsimd/uplot/uPlot.min.css') }));
		document.head.appendChild(E('script', {
			'src': L.resource('remsimd/uplot/uPlot.iife.min.js'),
			'load': () => resolve(window.uPlot),
			'error': () => reject(new Error(_('The drawing library cannot be loaded.')))
		}));
	});
	return loading;
}

/*
 * Courses that have their own times, each [ [s, value], ... ], as columns over the same times. A
 * course without a value at a time has null there, a gap longer than `gap_s` is left open.
 */
function aligned(courses, gap_s) {
	const times = [ ...new Set(courses.flatMap(rows => rows.map(row => row[0]))) ].sort((a, b) => a - b);
	const filled = [];

	for (const s of times) {
		if (filled.length && s - filled[filled.length - 1] > gap_s)
			filled.push(filled[filled.length - 1] + gap_s);
		filled.push(s);
	}

	const columns = courses.map(rows => {
		const at = new Map(rows);
		return filled.map(s => at.has(s) ? at.get(s) : null);
	});
	return [ filled, ...columns ];
}

/* Clock times, and at midnight the day. */
function ticks(_plot, splits) {
	return splits.map(s => {
		const at = new Date(s * 1000), midnight = at.getHours() == 0 && at.getMinutes() == 0;

		return midnight ? at.toLocaleDateString(undefined, { day: 'numeric', month: 'short' })
			: at.toLocaleTimeString(undefined, { hour: '2-digit', minute: '2-digit', hour12: false });
	});
}

/* A dashed line with a point on top at each moment. */
function mark(plot, moments, stroke) {
	const { ctx } = plot, { top, height } = plot.bbox, size = 4 * window.devicePixelRatio;

	ctx.save();
	ctx.strokeStyle = ctx.fillStyle = stroke;
	ctx.setLineDash([ size, size ]);
	for (const s of moments) {
		const x = Math.round(plot.valToPos(s, 'x', true));

		ctx.beginPath();
		ctx.moveTo(x, top);
		ctx.lineTo(x, top + height);
		ctx.stroke();
		ctx.beginPath();
		ctx.moveTo(x - size, top);
		ctx.lineTo(x + size, top);
		ctx.lineTo(x, top + 1.5 * size);
		ctx.fill();
	}
	ctx.restore();
}

function colour(node, name, otherwise) {
	return getComputedStyle(node).getPropertyValue(name).trim() || otherwise;
}

return baseclass.extend({
	/* Resolves once charts can be drawn. */
	ready: library,

	aligned: aligned,

	/*
	 * A chart of `subjects` in `node`; its `show(columns, from_s, to_s, marks)` draws values on an
	 * axis between two times, with a mark at some moments. The line of a subject is not joined over gaps.
	 */
	make(node, subjects, unit, digits) {
		const text = colour(node, '--text-color-medium', '#767676');
		const grid = colour(node, '--border-color-low', '#e6e6e6');
		const axis = { stroke: text, grid: { stroke: grid, width: 1 }, ticks: { stroke: grid } };
		const series = subjects.map((subject, n) => ({
			label: subject,
			stroke: COLOURS[n % COLOURS.length],
			dash: DASHES[n % DASHES.length],
			width: 1.5,
			points: { size: 4 },
			value: (_plot, value) => value == null ? '–' : `${value.toFixed(digits)} ${unit}`
		}));
		const width = () => Math.max(200, node.clientWidth);
		let span = [ 0, 1 ], marks = [];

		dom.content(node, []);
		const plot = new window.uPlot({
			width: width(), height: HEIGHT,
			cursor: { y: false, drag: { x: false, y: false } },
			scales: { x: { range: () => span } },
			series: [ { label: _('Time'), value: (_plot, s) => s == null ? '–' : new Date(s * 1000).toLocaleString() }, ...series ],
			hooks: { draw: [ plot => mark(plot, marks, colour(node, '--remsimd-warn', '#8a6100')) ] },
			axes: [ { ...axis, values: ticks }, { ...axis, size: 56 } ]
		}, [ [], ...subjects.map(() => []) ], node);

		new ResizeObserver(() => plot.setSize({ width: width(), height: HEIGHT })).observe(node);
		return {
			show(columns, from_s, to_s, moments) {
				span = [ from_s, to_s ];
				marks = moments;
				plot.setData(columns);
			}
		};
	}
});
