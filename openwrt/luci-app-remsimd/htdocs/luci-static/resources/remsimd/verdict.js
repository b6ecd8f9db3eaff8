'use strict';
'require baseclass';
'require remsimd.show as show';

/*
 * What a status means for the person who looks at it: each thing that is not as it should be in a
 * sentence, with what to do about it. Where there is none, all is well.
 */

/* What is under way is told first: it explains the rest, and only asks for patience. */
const ORDER = [ 'dull', 'bad', 'warn' ];

/* Own traffic from where on a limit is said to be nearly used. */
const NEARLY = 0.8;

function finding(tone, what, todo) {
	return { tone: tone, what: what, todo: todo };
}

function because(cause) {
	return cause ? `: ${cause}` : '';
}

function isRegistered(modem) {
	return [ 'home', 'roaming' ].includes(modem.registration?.state);
}

/* Whether the data had to leave the primary modem. */
function hasMoved(status) {
	const roles = Object.values(status.modems).map(modem => modem.role);

	return status.modems[status.active_link]?.role == 'secondary' && roles.includes('primary');
}

/* Where the data goes now, for what is said of something else. */
function meanwhile(status) {
	return status.active_link == null ? _('No link carries data.') : _('The data goes over %s.').format(status.active_link);
}

/* One modem; of what hangs together only the cause is told, and that its data moved is told of the data. */
function ofModem(status, name, modem) {
	if (modem.recovering)
		return [ finding('warn', _('%s is being brought back by “%s”%s').format(name, modem.recovering, because(modem.recovery_cause)),
			`${_('Wait: each step takes up to some minutes, and the next one follows by itself.')} ${meanwhile(status)}`) ];
	if (modem.sim_switching_to != null)
		return [ finding('dull', _('%s is moving to the %s card%s').format(name, modem.sim_switching_to, because(modem.sim_cause)),
			_('Wait some seconds until it has registered with the other card.')) ];
	if (modem.port == null)
		return [ finding('bad', _('%s is not there%s').format(name, because(modem.reason)),
			`${_('Check its plug and its power, and “match” in the settings.')} ${meanwhile(status)}`) ];
	if (modem.registration != null && !isRegistered(modem))
		return [ finding('warn', _('%s has no network: %s').format(name, modem.registration.state),
			_('Check its antenna and its card; restart it if it stays so.')) ];
	if (status.links[name]?.health == 'down' && !(modem.role == 'primary' && hasMoved(status)))
		return [ finding('warn', _('%s is down%s').format(name, because(status.links[name].cause)),
			_('It is tried again by itself; Failover says what would change it.')) ];
	return [];
}

function ofData(status) {
	return status.active_link != null || !Object.keys(status.modems).length ? [] : [
		finding('bad', _('No link carries data%s').format(because(status.active_cause)),
			_('The router is offline until a modem is registered and answers; what is said of the modems says what is missing.'))
	];
}

function ofFailover(status) {
	return hasMoved(status) ? [
		finding('warn', _('The data goes over %s instead of the primary modem%s').format(status.active_link, because(status.active_cause)),
			_('It moves back by itself once the primary link is well for long enough; Failover says when.'))
	] : [];
}

function ofBank(status) {
	const { rspro } = status, assignment = status.ionmesh.assignment;
	const place = show.place(assignment) ?? _('the assigned place');
	const end = show.endpoint(assignment?.bankd ?? assignment?.server);

	switch (rspro.state) {
	case 'idle':
	case 'operational':
		return [];
	case 'holding':
		return [ finding('warn', _('The SIM bank %s was lost; the card is kept for a moment%s').format(end, because(rspro.detail)),
			_('It is connected again by itself; if that fails, check the bank and the way to it.')) ];
	case 'wait-atr':
		return [ finding('bad', _('No card answers in the SIM bank%s').format(because(rspro.detail)),
			_('Check that a card sits in %s and is switched on.').format(place)) ];
	default:
		return [ finding('bad', _('The SIM bank %s does not answer%s').format(end, because(rspro.detail || rspro.state)),
			_('Check that the bank runs and that the router reaches it; it is tried again by itself.')) ];
	}
}

function ofIonmesh(status) {
	const { state, detail, assignment } = status.ionmesh;

	switch (state) {
	case 'no-slot':
		return [ finding('bad', _('IonMesh has no card for this router%s').format(because(detail)),
			_('Free a slot in IonMesh or choose another mapping mode; it is asked again by itself.')) ];
	case 'refused':
		return [ finding('bad', _('IonMesh refuses this router%s').format(because(detail)),
			_('Correct the key, the tenant or the address under IonMesh in the settings.')) ];
	case 'unreachable':
		return [ finding('warn', _('IonMesh does not answer%s').format(because(detail)), assignment == null
			? _('Without it there is no card for this router: check its address in the settings and the way to it.')
			: _('The assigned card goes on being used; check its address in the settings and the way to it.')) ];
	case 'registered':
		return assignment == null ? [ finding('bad', _('IonMesh has not assigned a card to this router'),
			_('Assign one in IonMesh; until then the modem uses its local card.')) ] : [];
	default:
		return [];
	}
}

function ofBudgets(status) {
	return Object.entries(status.links).filter(([ , link ]) => link.limit_bytes && link.spent_bytes >= NEARLY * link.limit_bytes)
		.map(([ name, link ]) => finding('warn',
			_('%s has used %s of the %s that remsimd may send over it').format(name, show.bytes(link.spent_bytes), show.bytes(link.limit_bytes)),
			_('It is probed less or not at all until the reset day; raise “data limit” in the settings if the plan allows it.')));
}

function ofAlerts(firing) {
	const open = firing.filter(each => !each.acknowledged);

	return open.length ? [ {
		...finding(open.some(each => each.severity == 'critical') ? 'bad' : 'warn',
			_('Alerts that fire: %s').format(open.map(each => `${each.alert} (${each.subject})`).join(', ')),
			_('The list of alerts in Services, Remote SIM says what to do about each.')),
		alerts: true
	} ] : [];
}

function wellness(status) {
	const names = Object.keys(status.modems), remote = names.find(name => status.modems[name].sim_source == 'remote');

	if (!names.length)
		return finding('dull', _('No modem is configured'), _('Add one under Modems in the settings.'));
	return finding('good', remote == null
		? _('All is well: the data goes over %s').format(status.active_link)
		: _('All is well: %s uses the remote card, the data goes over %s').format(remote, status.active_link),
		_('Nothing needs to be done.'));
}

return baseclass.extend({
	/* Every finding in the order to tell them; `firing` are the alerts that fire, as remsimd.alerts has them. */
	of(status, firing) {
		const ofModems = role => Object.entries(status.modems).filter(([ , modem ]) => modem.role == role)
			.flatMap(([ name, modem ]) => ofModem(status, name, modem));
		const primaries = ofModems('primary');
		const found = [
			...ofData(status), ...primaries, ...ofModems('secondary'), ...ofBank(status), ...ofIonmesh(status),
			...(primaries.length ? [] : ofFailover(status)), ...ofBudgets(status), ...ofAlerts(firing)
		];

		found.sort((a, b) => ORDER.indexOf(a.tone) - ORDER.indexOf(b.tone));
		return found.length ? found : [ wellness(status) ];
	},

	/* The first finding large, the others as a list below it. */
	draw(found) {
		const line = (name, each) => E(name, { 'class': `remsimd-${each.tone}` },
			[ show.mark(each.tone), E('strong', {}, [ each.what, '.' ]), ' ', each.todo ]);

		return E('div', { 'class': `remsimd-verdict remsimd-is-${found[0].tone}` }, [
			line('p', found[0]),
			found.length > 1 ? E('ul', {}, found.slice(1).map(each => line('li', each))) : ''
		]);
	}
});
