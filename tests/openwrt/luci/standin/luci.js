'use strict';

/*
 * A stand-in for LuCI's client side: the module loader, E(), dom, poll and view with the behaviour
 * their documentation and widespread use promise, as far as luci-app-remsimd uses it. A bare string
 * as children is HTML, as it is there, so that a view which forgets this is found out.
 */

(() => {
	const env = window.LUCI_ENV;

	String.prototype.format = function(...args) {
		let n = 0;

		return this.replace(/%(?:\.(\d+))?([sdf%])/g, (whole, digits, kind) => {
			if (kind == '%')
				return '%';
			const value = args[n++];
			if (kind == 'd')
				return Math.trunc(Number(value));
			if (kind == 'f')
				return Number(value).toFixed(digits ?? 6);
			return value == null ? '' : `${value}`;
		});
	};
	window._ = text => (env.translations ?? {})[text] ?? text;

	/* Classes: extend() makes a constructor, the loader makes the one object of a module. */

	function extend(Parent, properties) {
		function Child(...args) {
			if (typeof this.__init__ == 'function')
				this.__init__(...args);
		}
		Child.prototype = Object.create(Parent.prototype, { constructor: { value: Child } });
		Object.assign(Child.prototype, properties);
		Child.extend = more => extend(Child, more);
		return Child;
	}

	const Base = extend(Object, {});

	/* Elements */

	const dom = {
		elem: node => node instanceof Node,

		append(node, children) {
			if (Array.isArray(children)) {
				for (const child of children)
					if (child instanceof Node)
						node.appendChild(child);
					else if (Array.isArray(child))
						dom.append(node, child);
					else if (child != null)
						node.appendChild(document.createTextNode(`${child}`));
			}
			else if (typeof children == 'function')
				return dom.append(node, children(node));
			else if (children instanceof Node)
				return node.appendChild(children);
			else if (children != null)
				node.innerHTML = `${children}`;
			return node.lastChild;
		},

		content(node, children) {
			while (node.firstChild)
				node.removeChild(node.firstChild);
			return dom.append(node, children);
		},

		attr(node, attributes) {
			for (const [ name, value ] of Object.entries(attributes)) {
				if (value == null)
					continue;
				if (typeof value == 'function')
					node.addEventListener(name, value);
				else
					node.setAttribute(name, typeof value == 'object' ? JSON.stringify(value) : value);
			}
		}
	};

	window.E = (name, ...rest) => {
		const attributes = rest.length && rest[0] != null && typeof rest[0] == 'object'
			&& !Array.isArray(rest[0]) && !(rest[0] instanceof Node) ? rest.shift() : rest.length > 1 ? rest.shift() : null;
		let node;

		if (name instanceof Node)
			node = name;
		else if (Array.isArray(name)) {
			node = document.createDocumentFragment();
			rest.unshift(name);
		}
		else
			node = document.createElement(name);
		if (attributes)
			dom.attr(node, attributes);
		dom.append(node, rest[0]);
		return node;
	};

	/* Polling: each function every so many seconds, the next round after the last has ended. */

	const poll = {
		queue: [],

		add(fn, seconds) {
			const entry = { fn: fn, seconds: seconds ?? 5, busy: false };

			entry.timer = window.setInterval(() => {
				if (entry.busy)
					return;
				entry.busy = true;
				Promise.resolve(fn()).catch(error => console.error(error)).finally(() => entry.busy = false);
			}, entry.seconds * 1000);
			poll.queue.push(entry);
			return true;
		},

		remove(fn) {
			for (const entry of poll.queue.filter(each => each.fn === fn))
				window.clearInterval(entry.timer);
			poll.queue = poll.queue.filter(each => each.fn !== fn);
		}
	};

	/* Views */

	const View = extend(Base, {
		__init__() {
			const port = document.querySelector('#view');

			dom.content(port, [ E('div', { 'class': 'spinning' }, [ _('Loading view…') ]) ]);
			return Promise.resolve(this.load()).then(found => this.render(found)).then(nodes => {
				dom.content(port, nodes);
				dom.append(port, this.addFooter());
				document.body.dataset.ready = 'true';
			}).catch(error => {
				dom.content(port, [ E('pre', { 'class': 'alert-message error' }, [ `${error.stack ?? error}` ]) ]);
				document.body.dataset.ready = 'failed';
			});
		},

		load() {},
		render() {},

		handleSave() {
			return Promise.all([ ...document.querySelectorAll('.cbi-map') ].map(node => node.map.save()));
		},

		handleSaveApply(ev, mode) {
			return this.handleSave(ev).then(() => L.loaded.ui.changes.apply(mode == '0'));
		},

		handleReset() {
			return Promise.all([ ...document.querySelectorAll('.cbi-map') ].map(node => node.map.reset()));
		},

		addFooter() {
			const { ui } = L.loaded, readonly = L.hasViewPermission() ? null : '';
			const button = (kind, name, label, ...args) => this[name] ? E('button', {
				'class': `cbi-button cbi-button-${kind}`, 'disabled': readonly, 'click': ui.createHandlerFn(this, name, ...args)
			}, [ label ]) : '';

			if (!this.handleSaveApply && !this.handleSave && !this.handleReset)
				return E([]);
			return E('div', { 'class': 'cbi-page-actions' }, [
				button('apply', 'handleSaveApply', _('Save & Apply'), '0'), ' ',
				button('save', 'handleSave', _('Save')), ' ',
				button('reset', 'handleReset', _('Reset'))
			]);
		}
	});

	/* Modules: their first lines say what they need. */

	const requests = {};
	const REQUIRE = /^'require ([\w.]+)(?: as (\w+))?';$/;

	async function compile(name) {
		const standin = !name.includes('.');
		const url = standin ? `/standin/${name}.js` : L.resource(`${name.replace(/\./g, '/')}.js`);
		const response = await fetch(url);

		if (!response.ok)
			throw new Error(`module ${name}: ${response.status}`);
		const source = await response.text(), names = [], found = [];

		for (const line of source.split('\n')) {
			const required = REQUIRE.exec(line.trim());

			if (required) {
				names.push(required[2] ?? required[1].replace(/\W/g, '_'));
				found.push(await L.require(required[1]));
			}
			else if (line.trim() && line.trim() != "'use strict';")
				break;
		}
		const Module = new Function(...names, `${source}\n//# sourceURL=${url}`)(...found);

		return L.loaded[name] = new Module();
	}

	window.L = {
		env: env,
		loaded: { baseclass: Base, dom: dom, poll: poll, view: View },

		require(name) {
			return this.loaded[name] ? Promise.resolve(this.loaded[name]) : requests[name] = requests[name] ?? compile(name);
		},

		resource: path => `${env.resource}/${path}`,
		url: (...parts) => [ env.scriptname, ...parts ].join('/'),
		hasViewPermission: () => !env.readonly,
		resolveDefault: (promise, otherwise) => Promise.resolve(promise).catch(() => otherwise),
		isObject: value => value != null && typeof value == 'object',
		toArray: value => value == null ? [] : Array.isArray(value) ? value : `${value}`.trim().split(/\s+/).filter(word => word)
	};

	async function overview() {
		const port = document.querySelector('#view');

		for (const path of env.includes) {
			const include = await L.require(`view.status.include.${path}`);
			const shown = E('div'), refresh = async () => dom.content(shown, [ include.render(await include.load()) ]);

			await refresh();
			dom.append(port, E('div', { 'class': 'cbi-section' }, [ E('h3', {}, [ include.title ]), shown ]));
			poll.add(refresh, 5);
		}
		document.body.dataset.ready = 'true';
	}

	document.addEventListener('DOMContentLoaded', () =>
		L.require('ui').then(() => env.viewpath ? L.require(`view.${env.viewpath}`) : overview())
			.catch(error => {
				dom.content(document.querySelector('#view'), [ E('pre', { 'class': 'alert-message error' }, [ `${error.stack ?? error}` ]) ]);
				document.body.dataset.ready = 'failed';
			}));
})();
