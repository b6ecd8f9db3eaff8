'use strict';
'require baseclass';
'require remsimd.act as act';
'require remsimd.api as api';
'require remsimd.show as show';

/* Each thing a person can ask of the daemon, in words: what it will do, and when it is done. */

const MUTES = [ [ 60, _('1 hour') ], [ 240, _('4 hours') ], [ 1440, _('1 day') ], [ 10080, _('1 week') ] ];

function carries(status, modem) {
	return status.active_link == modem;
}

return baseclass.extend({
	simUse(status, modem, mode) {
		const local = mode == 'local';
		const what = [ local
			? _('%s leaves the remote card and uses its own local card. The bank keeps the remote card for this router.').format(modem)
			: _('%s uses the remote card as soon as the bank has one for it.').format(modem) ];

		what.push(_('The modem reads the other card and registers anew, which takes some seconds.'));
		if (carries(status, modem))
			what.push(_('It carries the data now: connections through it are interrupted.'));

		const source = local ? 'local' : 'remote';
		let moving = false;

		act.ask({
			title: local ? _('Use the local card') : _('Use the remote card'),
			what: what,
			confirm: _('Switch'),
			run: () => api.simUse(modem, local ? 'local' : 'auto'),
			done: now => now.modems[modem].sim_source == source && now.modems[modem].sim_switching_to == null,
			/* A move that was seen and ended elsewhere has failed; the daemon says why, and tries again later. */
			failed: now => {
				const { sim_switching_to, sim_cause } = now.modems[modem], ended = moving && sim_switching_to == null;

				moving = sim_switching_to == source;
				return ended ? _('The modem is still %s: %s').format(show.card(now.modems[modem]), sim_cause) : null;
			},
			progress: now => `${modem}: ${show.card(now.modems[modem])}; ${now.rspro.detail || now.rspro.state}`,
			finished: local ? _('The modem uses its local card.') : _('The modem uses the remote card.'),
			within_s: 60
		});
	},

	modemReset(status, modem) {
		const what = [ _('%s is restarted. It is away for up to a minute.').format(modem) ];

		if (carries(status, modem))
			what.push(_('It carries the data now: the data moves to another link if there is one, otherwise the router is offline until the modem is back.'));

		const before = status.modems[modem];
		let away = false;
		act.ask({
			title: _('Restart the modem'),
			what: what,
			confirm: _('Restart'),
			kind: 'negative',
			run: () => api.modemReset(modem),
			done: now => {
				const state = now.modems[modem];
				const registered = [ 'home', 'roaming' ].includes(state?.registration?.state);

				/* Some are away for less than the time between two looks. */
				away = away || !registered || state.reconnects != before.reconnects;
				return away && registered;
			},
			progress: now => `${modem}: ${show.network(now.modems[modem])}`,
			finished: _('The modem is back and registered.'),
			within_s: 120
		});
	},

	failoverTo(status, link) {
		const health = status.links[link]?.health;
		const what = [ _('The data moves to %s and stays there while that link is up, until the choice is given back to the daemon.').format(link) ];

		if (health != 'up')
			what.push(_('That link is %s now: the data moves there only once it is up.').format(health));
		if (!carries(status, link))
			what.push(_('Connections that are open now are interrupted.'));

		act.ask({
			title: _('Use this link'),
			what: what,
			confirm: _('Use %s').format(link),
			run: () => api.failoverTo(link),
			done: now => carries(now, link),
			progress: now => _('data uses %s: %s').format(now.active_link ?? _('nothing'), now.active_cause),
			finished: _('The data uses %s.').format(link),
			within_s: 30
		});
	},

	failoverAuto() {
		act.ask({
			title: _('Choose by health'),
			what: [ _('The daemon chooses the link again. If another one is preferred and well, the data moves there and open connections are interrupted.') ],
			confirm: _('Choose by health'),
			run: () => api.failoverAuto()
		});
	},

	register(status) {
		const what = [ _('The router registers with IonMesh anew and may be given another card.') ];

		if (Object.values(status.modems).some(modem => modem.sim_source == 'remote'))
			what.push(_('If the card changes, the modem registers anew and its connections are interrupted.'));

		act.ask({
			title: _('Register with IonMesh again'),
			what: what,
			confirm: _('Register'),
			run: () => api.ionmeshRegister(),
			done: now => now.ionmesh.state == 'registered',
			progress: now => _('IonMesh: %s').format(now.ionmesh.detail || now.ionmesh.state),
			finished: _('Registered.'),
			within_s: 30
		});
	},

	acknowledge(each) {
		act.ask({
			title: _('Acknowledge the alert'),
			what: [ _('%s for %s goes on being watched and shown, but its webhook is not told again until it is over.').format(each.alert, each.subject) ],
			confirm: _('Acknowledge'),
			run: () => api.acknowledge(each.alert, each.subject)
		});
	},

	mute(alert) {
		const span = E('select', { 'class': 'cbi-input-select', 'aria-label': _('For how long') },
			MUTES.map(([ minutes, label ]) => E('option', { 'value': minutes }, [ label ])));

		act.ask({
			title: _('Mute the alert'),
			what: [ _('The webhook of %s hears nothing for so long, whatever it fires for. The timeline tells it all the same.').format(alert) ],
			fields: [ E('p', {}, [ span ]) ],
			confirm: _('Mute'),
			run: () => api.mute(alert, Number(span.value))
		});
	},

	unmute(alert) {
		act.run({ title: _('Unmute the alert'), run: () => api.mute(alert, 0) });
	},

	test() {
		act.run({
			title: _('Check everything'),
			run: () => api.test(),
			answer: found => [
				E('p', {}, [ found.ok ? _('Everything is well.') : _('Not everything is well:') ]),
				show.facts(found.checks.map(check =>
					[ check.name, [ show.badge(check.ok ? _('well') : _('not well'), check.ok ? 'good' : 'bad'), ' ', check.text ] ]))
			]
		});
	},

	simTest() {
		act.run({
			title: _('Test the remote card'),
			run: () => api.simTest(),
			answer: card => [ show.facts([
				[ 'ATR', card.atr ],
				[ 'ICCID', card.iccid ],
				[ 'IMSI', card.imsi ],
				[ _('Read by'), card.read_by == 'test' ? _('the daemon itself') : card.read_by ],
				[ _('Took'), card.took_s == null ? null : show.unit(card.took_s * 1000, 'ms') ]
			]) ]
		});
	}
});
