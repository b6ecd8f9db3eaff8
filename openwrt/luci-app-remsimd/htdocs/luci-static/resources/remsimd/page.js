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

/* What a daemon of another version leaves out is met as a property of nothing. */
function drawn(draw, answer) {
	try {
		return draw(answer);
	}
	catch (error) {
		if (!(error instanceof TypeError))
			throw error;
		console.warn(error);
		throw new Error(_('remsimd %s answers in a way that these pages do not know. Install remsimd and luci-app-remsimd of one version, then reload the page.')
			.format([ answer ].flat()[0]?.version ?? ''));
	}
}

/* A redraw would take a pressed button or a field in use from under the user's hands. */
function inUse(node) {
	return node.querySelector(':active, input:focus, select:focus, textarea:focus') != null;
}

/* Where a daemon that does not run is enabled and started. */
function ways() {
	return E('div', { 'class': 'remsimd-actions' }, [
		E('a', { 'class': 'btn cbi-button', 'href': L.url('admin/services/remsimd/settings') }, [ _('Settings') ]),
		E('a', { 'class': 'btn cbi-button', 'href': L.url('admin/system/startup') }, [ _('Startup') ])
	]);
}

return baseclass.extend({
	style: style,
	drawn: drawn,

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
	 * fails it says why and keeps what was known, marked as old; so it does with an answer that
	 * has not the shape these pages know.
	 */
	live(seconds, ask, draw) {
		const told = E('div'), shown = E('div', { 'class': 'remsimd-live' });
		const refresh = () => ask().then(answer => {
			if (!inUse(shown))
				dom.content(shown, drawn(draw, answer));
			dom.content(told, []);
			shown.classList.remove('remsimd-old');
		}).catch(error => {
			shown.classList.add('remsimd-old');
			dom.content(told, [ E('div', { 'class': 'alert-message warning' }, [ error.message, error.unreachable ? ways() : '' ]) ]);
		});

		const node = E('div', {}, [ told, shown ]);
		node.refresh = refresh;
		poll.add(refresh, seconds);
		return Promise.all([ style(), refresh() ]).then(() => node);
	}
});
