'use strict';
'require baseclass';
'require dom';
'require uci';
'require ui';

/* Forms over UCI: a map of sections of options, each option with its widget, checks and dependencies. */

function equal(a, b) {
	return JSON.stringify(a ?? null) == JSON.stringify(b ?? null);
}

const Value = baseclass.extend({
	__init__(map, section, option, title, description) {
		Object.assign(this, { map, section, option, title, description, deps: [], keylist: [], vallist: [] });
		Object.assign(this, { rmempty: true, optional: false, default: null, placeholder: null, password: false });
	},

	value(key, text) {
		this.keylist.push(`${key}`);
		this.vallist.push(`${text ?? key}`);
	},

	depends(field, value) {
		this.deps.push(typeof field == 'string' ? { [field]: value } : field);
	},

	cbid(sid) {
		return `cbid.${this.map.config}.${sid}.${this.option}`;
	},

	frame(sid) {
		return this.map.root.querySelector(`[data-field="${this.cbid(sid)}"]`);
	},

	load(sid) {
		return uci.get(this.map.config, sid, this.option);
	},

	validate() {
		return true;
	},

	widget(sid, value) {
		const list = this.keylist.length ? `list.${this.cbid(sid)}` : null;

		return [
			E('input', { 'type': this.password ? 'password' : 'text', 'class': 'cbi-input-text', 'id': `widget.${this.cbid(sid)}`,
				'placeholder': this.placeholder, 'value': value ?? this.default, 'list': list }),
			list ? E('datalist', { 'id': list }, this.keylist.map(key => E('option', { 'value': key }))) : ''
		];
	},

	formvalue(sid) {
		return this.frame(sid).querySelector('input').value;
	},

	/* The elements whose values are checked one by one. */
	fields(sid) {
		return [ ...this.frame(sid).querySelectorAll('input, select') ];
	},

	check(sid) {
		let well = true;

		for (const field of this.fields(sid)) {
			const judged = this.judge(sid, field.value);

			field.classList.toggle('cbi-input-invalid', judged !== true);
			if (judged === true)
				field.removeAttribute('data-tooltip');
			else
				field.setAttribute('data-tooltip', judged);
			well = well && judged === true;
		}
		return well;
	},

	judge(sid, value) {
		if (value === '' && !this.rmempty && !this.optional)
			return _('Expecting: %s').format(_('non-empty value'));
		return this.validate(sid, value);
	},

	render(sid) {
		this.initial = this.initial ?? {};
		this.initial[sid] = this.load(sid) ?? null;
		const field = E('div', { 'class': 'cbi-value-field' }, this.widget(sid, this.initial[sid]));

		if (this.description)
			field.appendChild(E('div', { 'class': 'cbi-value-description' }, this.description));
		const changed = () => {
			this.check(sid);
			this.map.checkDepends();
		};
		return E('div', { 'class': 'cbi-value', 'data-field': this.cbid(sid), 'data-name': this.option, 'change': changed, 'keyup': changed }, [
			E('label', { 'class': 'cbi-value-title', 'for': `widget.${this.cbid(sid)}` }, [ this.title ]), field
		]);
	},

	active(sid) {
		const frame = this.frame(sid);

		return frame != null && !frame.classList.contains('hidden');
	},

	satisfied(sid) {
		const holds = dependency => {
			let all = true;

			for (const [ name, wanted ] of Object.entries(dependency).filter(([ key ]) => key.charAt(0) != '!')) {
				const other = this.section.children.find(each => each.option == name);
				all = all && equal(other?.active(sid) ? other.formvalue(sid) : null, wanted);
			}
			return all != Boolean(dependency['!reverse']);
		};
		return !this.deps.length || this.deps.some(holds);
	},

	parse(sid) {
		const active = this.active(sid), value = active ? this.formvalue(sid) : null;

		if (active && !this.check(sid))
			throw null;
		if (value != null && value !== '' && !(Array.isArray(value) && !value.length)) {
			if (!equal(value, this.initial[sid]))
				uci.set(this.map.config, sid, this.option, value);
		}
		else if (this.rmempty || this.optional)
			uci.unset(this.map.config, sid, this.option);
	}
});

const ListValue = Value.extend({
	widget(sid, value) {
		return [ E('select', { 'class': 'cbi-input-select', 'id': `widget.${this.cbid(sid)}` }, this.keylist.map((key, n) =>
			E('option', { 'value': key, 'selected': key == (value ?? this.default ?? '') ? '' : null }, [ this.vallist[n] ]))) ];
	},

	formvalue(sid) {
		return this.frame(sid).querySelector('select').value;
	}
});

const Flag = Value.extend({
	enabled: '1',
	disabled: '0',

	widget(sid, value) {
		return [ E('input', { 'type': 'checkbox', 'id': `widget.${this.cbid(sid)}`, 'value': '1',
			'checked': (value ?? this.default) == this.enabled ? '' : null }) ];
	},

	formvalue(sid) {
		return this.frame(sid).querySelector('input').checked ? this.enabled : this.disabled;
	},

	parse(sid) {
		const value = this.active(sid) ? this.formvalue(sid) : null;

		if (value == null || (value == this.default && (this.rmempty || this.optional)))
			uci.unset(this.map.config, sid, this.option);
		else if (value != this.initial[sid])
			uci.set(this.map.config, sid, this.option, value);
	}
});

const DynamicList = Value.extend({
	widget(sid, value) {
		const list = E('div', { 'class': 'cbi-dynlist' });
		const input = E('input', { 'type': 'text', 'class': 'cbi-input-text', 'id': `widget.${this.cbid(sid)}`, 'placeholder': this.placeholder });
		const put = text => list.insertBefore(E('div', { 'class': 'item', 'data-value': text, 'click': ev => {
			ev.currentTarget.remove();
			this.map.checkDepends();
		} }, [ text ]), adding);
		const take = () => {
			if (input.value !== '' && this.judge(sid, input.value) === true) {
				put(input.value);
				input.value = '';
			}
		};
		const adding = E('div', { 'class': 'add-item' }, [ input, E('button', { 'type': 'button', 'class': 'btn cbi-button cbi-button-add', 'click': take }, [ '+' ]) ]);

		input.addEventListener('keydown', ev => {
			if (ev.key == 'Enter')
				take();
		});
		list.appendChild(adding);
		L.toArray(value).forEach(put);
		return [ list ];
	},

	fields: () => [],

	formvalue(sid) {
		const typed = this.frame(sid).querySelector('input').value;
		const items = [ ...this.frame(sid).querySelectorAll('.item') ].map(item => item.dataset.value);

		return typed === '' ? items : [ ...items, typed ];
	}
});

const TypedSection = baseclass.extend({
	__init__(map, sectiontype, title, description) {
		Object.assign(this, { map, sectiontype, title, description, children: [], tabs: [], addremove: false, anonymous: false });
	},

	tab(name, title) {
		this.tabs.push({ name, title, children: [] });
	},

	option(Kind, ...args) {
		const option = new Kind(this.map, this, ...args);

		this.children.push(option);
		return option;
	},

	taboption(name, ...args) {
		const option = this.option(...args);

		this.tabs.find(tab => tab.name == name).children.push(option);
		return option;
	},

	cfgsections() {
		return uci.sections(this.map.config, this.sectiontype).map(section => section['.name']);
	},

	renderOne(sid) {
		const node = E('div', { 'id': `cbi-${this.map.config}-${sid}`, 'class': 'cbi-section-node', 'data-section-id': sid });

		if (this.tabs.length) {
			node.classList.add('cbi-section-node-tabbed');
			for (const tab of this.tabs)
				node.appendChild(E('div', { 'data-tab': tab.name, 'data-tab-title': tab.title }, tab.children.map(option => option.render(sid))));
		}
		else
			dom.append(node, this.children.map(option => option.render(sid)));
		return node;
	},

	render() {
		const { config } = this.map, parts = [], change = (...steps) => ui.createHandlerFn(this, () => {
			steps.forEach(step => step());
			return this.map.save(null, true);
		});

		if (this.description)
			parts.push(E('div', { 'class': 'cbi-section-descr' }, this.description));
		for (const sid of this.cfgsections()) {
			if (this.addremove)
				parts.push(E('div', { 'class': 'cbi-section-remove right' }, [ E('button', {
					'class': 'cbi-button', 'data-section-id': sid, 'click': change(() => uci.remove(config, sid))
				}, [ _('Delete') ]) ]));
			if (!this.anonymous)
				parts.push(E('h3', {}, [ sid.toUpperCase() ]));
			parts.push(this.renderOne(sid));
		}
		if (this.addremove) {
			const name = E('input', { 'type': 'text', 'class': 'cbi-section-create-name', 'aria-label': _('Name') });

			parts.push(E('div', { 'class': 'cbi-section-create' }, [ name, ' ', E('button', {
				'class': 'cbi-button cbi-button-add', 'click': change(() => uci.add(config, this.sectiontype, name.value))
			}, [ _('Add') ]) ]));
		}
		return E('div', { 'id': `cbi-${config}-${this.sectiontype}`, 'class': 'cbi-section',
			'data-tab': this.map.tabbed ? this.sectiontype : null, 'data-tab-title': this.map.tabbed ? this.title : null },
			this.map.tabbed || !this.title ? parts : [ E('h3', {}, [ this.title ]), ...parts ]);
	}
});

const Map = baseclass.extend({
	__init__(config, title, description) {
		Object.assign(this, { config, title, description, children: [], tabbed: false });
	},

	section(Kind, ...args) {
		const section = new Kind(this, ...args);

		this.children.push(section);
		return section;
	},

	async render() {
		await uci.load(this.config);
		this.root = this.root ?? E('div', { 'id': `cbi-${this.config}`, 'class': 'cbi-map' });
		this.root.map = this;
		return this.renderContents();
	},

	renderContents() {
		const chosen = this.root.querySelector(':scope > .cbi-map-tabbed > [data-tab-active="true"]')?.dataset.tab;
		const sections = this.children.map(section => section.render());

		sections.filter(node => node.dataset.tab == chosen && chosen).forEach(node => node.dataset.tabActive = 'true');
		dom.content(this.root, [ E('h2', {}, [ this.title ]), E('div', { 'class': 'cbi-map-descr' }, this.description),
			...(this.tabbed ? [ E('div', { 'class': 'cbi-map-tabbed' }, sections) ] : sections) ]);
		this.checkDepends();
		for (const group of this.root.querySelectorAll('.cbi-map-tabbed, .cbi-section-node-tabbed'))
			ui.tabs.initTabGroup(group.childNodes);
		return this.root;
	},

	every(step) {
		for (const section of this.children)
			for (const sid of section.cfgsections())
				for (const option of section.children)
					if (option.frame(sid))
						step(option, sid);
	},

	checkDepends() {
		for (let changed = true, rounds = 0; changed && rounds < 10; rounds++) {
			changed = false;
			this.every((option, sid) => {
				const hidden = !option.satisfied(sid);

				changed = changed || option.frame(sid).classList.contains('hidden') != hidden;
				option.frame(sid).classList.toggle('hidden', hidden);
			});
		}
	},

	async save(callback, silent) {
		this.checkDepends();
		this.every((option, sid) => option.parse(sid));
		if (callback)
			await callback();
		await uci.save();
		this.renderContents();
		if (!silent)
			ui.addNotification(null, [ E('p', {}, [ _('Saved.') ]) ]);
	},

	async reset() {
		this.renderContents();
	}
});

return baseclass.extend({ Map, TypedSection, Value, ListValue, Flag, DynamicList });
