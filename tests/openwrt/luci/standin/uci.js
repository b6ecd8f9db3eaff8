'use strict';
'require baseclass';
'require rpc';

/*
 * Configuration: what was loaded, and beside it what was added, set and unset and is not saved yet.
 * As in LuCI, sections() does not leave out options that are only unset here.
 */

const callGet = rpc.declare({ object: 'uci', method: 'get', params: [ 'config' ], expect: { values: {} }, reject: true });
const callAdd = rpc.declare({ object: 'uci', method: 'add', params: [ 'config', 'type', 'name', 'values' ], expect: { section: '' }, reject: true });
const callSet = rpc.declare({ object: 'uci', method: 'set', params: [ 'config', 'section', 'values' ], reject: true });
const callDelete = rpc.declare({ object: 'uci', method: 'delete', params: [ 'config', 'section', 'options' ], reject: true });

function visible(section) {
	return Object.fromEntries(Object.entries(section).filter(([ key ]) => key.charAt(0) != '.'));
}

return baseclass.extend({
	__init__() {
		this.state = { values: {}, creates: {}, changes: {}, deletes: {}, newidx: 0 };
	},

	async load(config) {
		if (!this.state.values[config])
			this.state.values[config] = await callGet(config);
		return [ config ];
	},

	unload(config) {
		for (const part of [ 'values', 'creates', 'changes', 'deletes' ])
			delete this.state[part][config];
	},

	sections(config, type) {
		const { values, creates, changes, deletes } = this.state, found = [];

		for (const [ name, section ] of Object.entries(values[config] ?? {}))
			if (deletes[config]?.[name] !== true && (!type || section['.type'] == type))
				found.push({ ...section, ...changes[config]?.[name] });
		for (const section of Object.values(creates[config] ?? {}))
			if (!type || section['.type'] == type)
				found.push({ ...section });
		return found.sort((a, b) => a['.index'] - b['.index']);
	},

	get(config, sid, option) {
		const { values, creates, changes, deletes } = this.state;

		if (creates[config]?.[sid])
			return creates[config][sid][option];
		if (changes[config]?.[sid]?.[option] != null)
			return changes[config][sid][option];
		if (deletes[config]?.[sid] === true || deletes[config]?.[sid]?.[option])
			return null;
		return values[config]?.[sid]?.[option];
	},

	set(config, sid, option, value) {
		const { creates, changes, deletes } = this.state;

		if (creates[config]?.[sid]) {
			if (value == null)
				delete creates[config][sid][option];
			else
				creates[config][sid][option] = value;
		}
		else if (value != null && value !== '') {
			((changes[config] = changes[config] ?? {})[sid] = changes[config][sid] ?? {})[option] = value;
			if (deletes[config]?.[sid])
				delete deletes[config][sid][option];
		}
		else {
			if (changes[config]?.[sid])
				delete changes[config][sid][option];
			if (this.state.values[config]?.[sid]?.[option] != null)
				((deletes[config] = deletes[config] ?? {})[sid] = deletes[config][sid] ?? {})[option] = true;
		}
	},

	unset(config, sid, option) {
		return this.set(config, sid, option, null);
	},

	add(config, type, name) {
		const { creates } = this.state, sid = name || `new${++this.state.newidx}`;

		(creates[config] = creates[config] ?? {})[sid] = {
			'.type': type, '.name': sid, '.create': name, '.anonymous': !name, '.index': 1000 + this.state.newidx++
		};
		return sid;
	},

	remove(config, sid) {
		const { creates, changes, deletes } = this.state;

		if (creates[config]?.[sid]) {
			delete creates[config][sid];
			return;
		}
		if (changes[config])
			delete changes[config][sid];
		(deletes[config] = deletes[config] ?? {})[sid] = true;
	},

	async save() {
		const { creates, changes, deletes } = this.state;

		for (const [ config, sections ] of Object.entries(creates))
			for (const section of Object.values(sections))
				await callAdd(config, section['.type'], section['.create'], visible(section));
		for (const [ config, sections ] of Object.entries(changes))
			for (const [ sid, values ] of Object.entries(sections))
				if (Object.keys(values).length)
					await callSet(config, sid, values);
		for (const [ config, sections ] of Object.entries(deletes))
			for (const [ sid, options ] of Object.entries(sections))
				if (options === true || Object.keys(options).length)
					await callDelete(config, sid, options === true ? undefined : Object.keys(options));

		const loaded = Object.keys(this.state.values);
		loaded.forEach(config => this.unload(config));
		for (const config of loaded)
			await this.load(config);
	}
});
