'use strict';
'require baseclass';
'require dom';
'require ui';
'require remsimd.api as api';
'require remsimd.page as page';

/*
 * Wishes that touch a modem or its traffic: what will happen is said before, what happens is shown
 * until it is done.
 */

const LOOK_EVERY_MS = 700;

function later() {
	return new Promise(resolve => window.setTimeout(resolve, LOOK_EVERY_MS));
}

function closing(label) {
	return E('div', { 'class': 'right' }, [
		E('button', { 'type': 'button', 'class': 'btn cbi-button', 'click': ui.hideModal }, [ label ])
	]);
}

function line(text) {
	return E('p', {}, [ text ]);
}

function waiting(text) {
	return E('p', { 'class': 'spinning', 'role': 'status' }, [ text ]);
}

/*
 * Ask for the status until the wish is done or has failed; `tell` hears each one before that and says
 * whether to go on. How it ended is [ tone, text ].
 */
async function follow(wish, tell) {
	const end_ms = Date.now() + wish.within_s * 1000;
	let watched = true;

	while (watched && Date.now() < end_ms) {
		try {
			const status = await api.status();

			if (wish.done(status))
				return [ 'success', wish.finished ];

			const failure = wish.failed?.(status);
			if (failure)
				return [ 'error', failure ];
			watched = tell(status);
		}
		catch (error) {
			/* The daemon or its link may be away for a moment: that is what is waited for. */
			if (!error.unreachable)
				throw error;
		}
		await later();
	}
	return [ 'warning', _('It is not finished yet; the timeline will tell what became of it.') ];
}

/*
 * Do what was confirmed and show its course.
 *
 * wish.run       gives the promise of the daemon's answer, {message: text}
 * wish.done      tells from a status whether it is finished; without it the answer is the end
 * wish.failed    the text of why it ended otherwise, null while that is not so
 * wish.progress  a line about a status while it is not
 * wish.within_s  how long that may take
 */
async function carryOut(wish) {
	const shown = E('div', { 'class': 'remsimd-progress' }, [ waiting(_('Asking the daemon…')) ]);

	ui.showModal(wish.title, [ shown, closing(_('Close')) ]);
	try {
		const answer = await wish.run();

		if (!wish.done) {
			dom.content(shown, wish.answer ? wish.answer(answer) : [ line(answer.message) ]);
			return;
		}
		dom.content(shown, [ line(answer.message), waiting(_('Waiting…')) ]);

		const [ tone, text ] = await follow(wish, status => {
			dom.content(shown, [ line(answer.message), waiting(wish.progress(status)) ]);
			return shown.isConnected;
		});

		dom.content(shown, [
			line(answer.message),
			E('p', { 'class': `alert-message ${tone}` }, [ text ])
		]);
	}
	catch (error) {
		dom.content(shown, [ E('p', { 'class': 'alert-message error' }, [ error.message ]) ]);
	}
}

return baseclass.extend({
	/* Say what will happen (`wish.what`, a line each, then `wish.fields`), and do it when that is confirmed. */
	ask(wish) {
		ui.showModal(wish.title, [
			...wish.what.map(line),
			...(wish.fields ?? []),
			E('div', { 'class': 'right' }, [
				E('button', { 'type': 'button', 'class': 'btn cbi-button', 'click': ui.hideModal }, [ _('Cancel') ]), ' ',
				page.button(wish.confirm, wish.kind ?? 'action', () => carryOut(wish))
			])
		]);
	},

	/* What neither interrupts nor changes anything needs no question. */
	run: carryOut
});
