'use strict';
'require baseclass';
'require rpc';

/*
 * The daemon's ubus object: one function for each question or wish, with the names and parameters
 * of the control socket's methods. Each gives a promise that fails with the daemon's own words
 * (`refused` is set), or with `unreachable` set on the error where no daemon answers.
 */

const OBJECT = 'remsim';

const METHOD_NOT_FOUND = 3;

/* ubus: not found, timeout, connection lost; uhttpd: no such object. */
const UNREACHABLE = [ 4, 7, 10, -32000 ];

function unreachable() {
	const error = new Error(_('remsimd does not run or does not answer. Enable it under General in the settings, then start it in System, Startup.'));

	error.unreachable = true;
	return error;
}

/*
 * A refusal is a table with the daemon's words beside a status that is not 0; rpc.declare() would
 * keep only one of the two, so both are put into the table.
 */
rpc.addInterceptor((message, request) => {
	const result = message?.result;

	if (request.object == OBJECT && Array.isArray(result) && result[0] != 0)
		message.result = [ 0, { ...result[1], refused: result[0] } ];
});

function answered(answer) {
	if (answer?.refused == null)
		return answer;
	if (answer.error)
		throw Object.assign(new Error(answer.error), { refused: true });
	if (answer.refused == METHOD_NOT_FOUND)
		throw new Error(_('remsimd is older than these pages and does not know this question. Install remsimd and luci-app-remsimd of one version, then reload the page.'));
	throw UNREACHABLE.includes(answer.refused) ? unreachable() : new Error(rpc.getStatusText(answer.refused));
}

function failed(error) {
	const code = /error (-?\d+)/.exec(error.message);

	throw code && UNREACHABLE.includes(Number(code[1])) ? unreachable() : error;
}

function method(name, params) {
	const call = rpc.declare({ object: OBJECT, method: name, params: params });

	return (...args) => call(...args).then(answered, failed);
}

/* ubus only knows tables: what is a list on the control socket stands under `result`. */
function list(answer) {
	return answer.result;
}

const askEvents = method('events', [ 'after', 'last', 'kind' ]);
const askAlerts = method('alerts_list');
const askSeries = method('history_series');
const askRecorded = method('history_events', [ 'range_s', 'kind', 'severity', 'subject', 'last' ]);

return baseclass.extend({
	status: method('status'),
	explain: method('failover_explain'),
	history: method('history', [ 'metric', 'range_s', 'points' ]),
	usage: method('history_usage'),
	test: method('test'),
	configCheck: method('config_check', [ 'text' ]),

	failoverTo: method('failover_to', [ 'link' ]),
	failoverAuto: method('failover_auto'),
	simUse: method('sim_use', [ 'modem', 'mode' ]),
	simTest: method('sim_test'),
	modemReset: method('modem_reset', [ 'modem' ]),
	acknowledge: method('alerts_acknowledge', [ 'alert', 'subject' ]),
	mute: method('alerts_mute', [ 'alert', 'minutes' ]),
	modemAt: method('modem_at', [ 'modem', 'command' ]),
	ionmeshRegister: method('ionmesh_register'),

	alerts() {
		return askAlerts().then(list);
	},

	events(last) {
		return askEvents(undefined, last).then(list);
	},

	series() {
		return askSeries().then(list);
	},

	/* When the data moved to another link: since the start, and as it was recorded. */
	moves(last) {
		return askEvents(undefined, last, 'failover').then(list);
	},

	recordedMoves(range_s, last) {
		return askRecorded(range_s, 'failover', undefined, undefined, last).then(list);
	},

	recordedEvents(range_s, last) {
		return askRecorded(range_s, undefined, undefined, undefined, last).then(list);
	}
});
