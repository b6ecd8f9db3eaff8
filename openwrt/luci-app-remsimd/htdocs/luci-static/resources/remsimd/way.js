'use strict';
'require baseclass';
'require remsimd.show as show';

/*
 * A picture of the way a card takes from the bank to the modem, and of the way the data takes. Wide
 * screens have it from left to right, narrow ones from top to bottom.
 */

const SVG = 'http://www.w3.org/2000/svg';
const ROW = 104;		/* from one modem to the next */
const BOX = 74;			/* height of a box */
const LOST = [ 'unreachable', 'refused', 'no-slot' ];	/* IonMesh gives no card then */

function svg(name, attributes, children) {
	const node = document.createElementNS(SVG, name);

	for (const key in attributes)
		node.setAttribute(key, attributes[key]);
	for (const child of children ?? [])
		node.appendChild(typeof child == 'string' ? document.createTextNode(child) : child);
	return node;
}

/* Where everything stands: x, y and width of each box, and the size of the whole. */
function wide(modems) {
	return {
		width: 960, height: 16 + (Math.max(2, modems) - 1) * ROW + BOX + 4,
		bank: { x: 2, y: 16, w: 206 },
		ionmesh: { x: 2, y: 16 + ROW, w: 206 },
		daemon: { x: 292, y: 16, w: 176 },
		modem: n => ({ x: 536, y: 16 + n * ROW, w: 216 }),
		network: n => ({ x: 820, y: 16 + n * ROW, w: 138 })
	};
}

function narrow(modems) {
	return {
		width: 350, height: 4 + 2 * (BOX + 36) + (modems - 1) * ROW + BOX + 4,
		bank: { x: 2, y: 4, w: 166 },
		ionmesh: { x: 182, y: 4, w: 166 },
		daemon: { x: 2, y: 4 + BOX + 36, w: 346 },
		modem: n => ({ x: 2, y: 4 + 2 * (BOX + 36) + n * ROW, w: 204 }),
		network: n => ({ x: 246, y: 4 + 2 * (BOX + 36) + n * ROW, w: 102 })
	};
}

/* Text that is too long for its box ends in dots; the whole of it is the box's tooltip. */
function fitting(text, width, letter) {
	const letters = Math.floor((width - 20) / letter);

	return text.length > letters ? text.slice(0, letters - 1) + '…' : text;
}

function box(at, kind, lines) {
	const texts = lines.map((line, n) => svg('text', {
		'x': at.x + 11, 'y': at.y + 22 + n * 19, 'class': n ? 'remsimd-note' : 'remsimd-name'
	}, [ fitting(line ?? '', at.w, n ? 6.4 : 7.7) ]));

	return svg('g', {}, [
		svg('title', {}, [ lines.filter(line => line).join('\n') ]),
		svg('rect', { 'x': at.x, 'y': at.y, 'width': at.w, 'height': BOX, 'rx': 5, 'class': 'remsimd-box ' + kind }),
		...texts
	]);
}

function middle(at) {
	return at.y + BOX / 2;
}

/* From the right edge of one box to the left edge of another. */
function across(from, to, kind) {
	const x1 = from.x + from.w, x2 = to.x - 3, bend = (x1 + x2) / 2;

	return svg('path', {
		'd': `M${x1} ${middle(from)} H${bend} V${middle(to)} H${x2}`, 'class': 'remsimd-line ' + kind
	});
}

/* From the lower edge of one box to the upper edge of another. */
function down(from, to, kind) {
	const x1 = from.x + Math.min(from.w, 166) / 2, x2 = Math.min(x1, to.x + to.w - 20);

	return svg('path', {
		'd': `M${x1} ${from.y + BOX} V${(from.y + BOX + to.y) / 2} H${x2} V${to.y - 3}`, 'class': 'remsimd-line ' + kind
	});
}

function bankLines(status) {
	const assignment = status.ionmesh.assignment;

	if (assignment == null)
		return [ _('SIM bank'), _('no card assigned') ];
	return [
		_('SIM bank'),
		show.place(assignment) ?? _('card not named yet'),
		show.endpoint(assignment.bankd ?? assignment.server)
	];
}

function daemonLines(status) {
	return [ 'remsimd', _('RSPRO %s').format(status.rspro.state), status.rspro.detail ];
}

function modemLines(name, modem) {
	return [
		modem.identity?.model ? `${name}: ${modem.identity.model}` : name,
		show.card(modem),
		modem.sim?.iccid ? _('card …%s').format(modem.sim.iccid.slice(-6)) : null
	];
}

function networkLines(modem) {
	const dbm = modem.facts.rsrp_dbm ?? modem.facts.nr_rsrp_dbm;

	return [ show.network(modem), modem.facts.rat ?? '', dbm == null ? '' : show.unit(dbm, 'dBm') ];
}

/* One modem with its network; the card's way to it is whole only while the modem is on the bank's card. */
function modemParts(place, status, name, n, join) {
	const modem = status.modems[name], at = place.modem(n), there = place.network(n);
	const onBank = modem.sim_source == 'remote' && modem.port != null, active = status.active_link == name;
	const parts = [];

	if (onBank || modem.role == 'primary')
		parts.push(join(place.daemon, at, onBank ? 'remsimd-card' : 'remsimd-idle'));
	parts.push(across(at, there, active ? 'remsimd-data' : 'remsimd-idle'));
	parts.push(box(at, modem.port == null ? 'remsimd-broken' : onBank ? 'remsimd-card' : '', modemLines(name, modem)));
	parts.push(box(there, active ? 'remsimd-data' : '', networkLines(modem)));
	if (active)
		parts.push(svg('text', {
			'x': (at.x + at.w + there.x) / 2, 'y': middle(at) - 9, 'class': 'remsimd-label remsimd-data'
		}, [ _('data') ]));
	return parts;
}

function told(status) {
	return Object.entries(status.modems).map(([ name, modem ]) =>
		`${name}: ${show.card(modem)}, ${show.network(modem)}`).join('; ');
}

function picture(status, place, upright) {
	const join = upright ? down : across;
	const names = Object.keys(status.modems);
	const onBank = names.some(name => status.modems[name].sim_source == 'remote');
	const registered = status.ionmesh.state == 'registered', lost = LOST.includes(status.ionmesh.state);
	const broken = onBank && status.rspro.state != 'operational';
	const bank = broken ? 'remsimd-broken' : onBank ? 'remsimd-card' : '';
	const lines = [ join(place.bank, place.daemon, bank || 'remsimd-idle') ];

	if (status.ionmesh.state != 'off')
		lines.push(upright
			? svg('path', { 'd': `M${place.ionmesh.x} ${middle(place.ionmesh)} H${place.bank.x + place.bank.w + 3}`, 'class': 'remsimd-line remsimd-idle' })
			: svg('path', { 'd': `M${place.ionmesh.x + 60} ${place.ionmesh.y} V${place.bank.y + BOX + 3}`, 'class': 'remsimd-line remsimd-idle' }));

	return svg('svg', {
		'viewBox': `0 0 ${place.width} ${place.height}`, 'role': 'img',
		'class': 'remsimd-way ' + (upright ? 'remsimd-upright' : 'remsimd-flat')
	}, [
		svg('title', {}, [ _('The way of the card and of the data') ]),
		svg('desc', {}, [ told(status) ]),
		...lines,
		box(place.bank, bank, bankLines(status)),
		box(place.ionmesh, lost ? 'remsimd-broken' : '', [ 'IonMesh', status.ionmesh.state, registered ? _('gives this router its card') : status.ionmesh.detail ]),
		box(place.daemon, onBank ? 'remsimd-card' : '', daemonLines(status)),
		...names.flatMap((name, n) => modemParts(place, status, name, n, join))
	]);
}

return baseclass.extend({
	/* Both pictures; the stylesheet shows the one that fits the screen. */
	draw(status) {
		const count = Object.keys(status.modems).length;

		return E('div', { 'class': 'remsimd-ways' }, [
			picture(status, wide(count), false),
			picture(status, narrow(count), true)
		]);
	}
});
