'use strict';
'require baseclass';
'require rpc';

/*
 * The daemon's ubus object: one function for each question or wish, with the names and parameters
 * of the control socket's methods. Each gives a promise that fails with the daemon's own words, or
 * with `unreachable` set on the error where no daemon answers.
 */

const OBJECT = 'remsim';

/* ubus: not found, timeout, connection lost; uhttpd: no such object. */
const UNREACHABLE = [ 4, 7, 10, -32000 ];

function unreachable() {
	const error = new Error(_('remsimd does not answer. Is it enabled in the settings, and started?'));

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
		throw new Error(answer.error);
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
const askSeries = method('history_series');
const askRecorded = method('history_events', [ 'range_s', 'kind', 'severity', 'subject', 'last' ]);

return baseclass.extend({
	status: method('status'),
	explain: method('failover_explain'),
	history: method('history', [ 'metric', 'range_s' ]),
	usage: method('history_usage'),
	test: method('test'),
	configCheck: method('config_check', [ 'text' ]),

	failoverTo: method('failover_to', [ 'link' ]),
	failoverAuto: method('failover_auto'),
	simUse: method('sim_use', [ 'modem', 'mode' ]),
	simTest: method('sim_test'),
	modemReset: method('modem_reset', [ 'modem' ]),
	modemAt: method('modem_at', [ 'modem', 'command' ]),
	ionmeshRegister: method('ionmesh_register'),

	events(last) {
		return askEvents(undefined, last).then(list);
	},

	series() {
		return askSeries().then(list);
	},

	recordedEvents(range_s, last) {
		return askRecorded(range_s, undefined, undefined, undefined, last).then(list);
	}
});
