'use strict';
'require baseclass';

/* ubus over JSON-RPC: the answer is [ status ] or [ status, table ]. */

const STATUS = [ 'Command OK', 'Invalid command', 'Invalid argument', 'Method not found', 'Resource not found',
	'No data received', 'Permission denied', 'Request timeout', 'Not supported', 'Unspecified error', 'Connection lost' ];
const interceptors = [];
let number = 0;

async function send(options, params) {
	const response = await fetch(L.env.ubuspath, {
		method: 'POST',
		headers: { 'Content-Type': 'application/json' },
		body: JSON.stringify({ jsonrpc: '2.0', id: ++number, method: 'call',
			params: [ L.env.sessionid, options.object, options.method, params ] })
	});
	const message = await response.json();

	for (const intercept of interceptors)
		await intercept(message, options);
	if (message.error)
		throw new Error(`RPC call to ${options.object}/${options.method} failed with error ${message.error.code}: ${message.error.message}`);
	return message.result;
}

return baseclass.extend({
	declare(options) {
		return async (...args) => {
			const params = Object.fromEntries((options.params ?? []).map((name, n) => [ name, args[n] ]));
			const [ status, ...data ] = await send(options, params);
			let found = data.length ? data[0] : status;

			if (options.reject && status != 0)
				throw new Error(`RPC call to ${options.object}/${options.method} failed with ubus code ${status}: ${this.getStatusText(status)}`);
			for (const key in options.expect) {
				if (found != null && key != '')
					found = found[key];
				if (found == null || Object.prototype.toString.call(found) != Object.prototype.toString.call(options.expect[key]))
					found = options.expect[key];
			}
			return found;
		};
	},

	addInterceptor(fn) {
		interceptors.push(fn);
		return fn;
	},

	getStatusText: code => STATUS[code] ?? 'Unknown error code'
});
