'use strict';
'require baseclass';
'require dom';
'require poll';

/*
 * What the views have in common: the stylesheet, and a part of the page that is asked anew every
 * few seconds.
 */

let loading = null;

/* Resolves once the stylesheet holds; a page without it is readable, too. */
function style() {
	loading = loading ?? new Promise(resolve => document.head.appendChild(E('link', {
		'rel': 'stylesheet', 'href': L.resource('remsimd/remsimd.css'), 'load': resolve, 'error': resolve
	})));
	return loading;
}

/* A redraw would take a pressed button or a field in use from under the user's hands. */
function inUse(node) {
	return node.querySelector(':active, input:focus, select:focus, textarea:focus') != null;
}

return baseclass.extend({
	style: style,

	/* The heading of a view. */
	title(name, description) {
		return [
			E('h2', { 'name': 'content' }, [ name ]),
			E('div', { 'class': 'cbi-map-descr' }, [ description ])
		];
	},

	/* A button; it is dead where the user may only read. */
	button(label, kind, click, title) {
		return E('button', {
			'type': 'button',
			'class': 'btn cbi-button cbi-button-' + kind,
			'title': title ?? null,
			'disabled': L.hasViewPermission() === false ? '' : null,
			'click': click
		}, [ label ]);
	},

	/*
	 * An element that shows `draw(await ask())` and does so again every `seconds`. Where asking
	 * fails it says why and keeps what was known, marked as old.
	 */
	live(seconds, ask, draw) {
		const told = E('div'), shown = E('div', { 'class': 'remsimd-live' });
		const refresh = () => ask().then(answer => {
			dom.content(told, []);
			shown.classList.remove('remsimd-old');
			if (!inUse(shown))
				dom.content(shown, draw(answer));
		}, error => {
			shown.classList.add('remsimd-old');
			dom.content(told, [ E('div', { 'class': 'alert-message warning' }, [ error.message ]) ]);
		});

		const node = E('div', {}, [ told, shown ]);
		node.refresh = refresh;
		poll.add(refresh, seconds);
		return Promise.all([ style(), refresh() ]).then(() => node);
	}
});
