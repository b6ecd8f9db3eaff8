'use strict';
'require view';
'require form';
'require uci';
'require ui';
'require remsimd.check as check';
'require remsimd.page as page';
'require remsimd.schema as schema';

/*
 * Every option of /etc/config/remsim. What an option is comes from `remsimd.schema`; here stands
 * only how the form is laid out. An option that no group names is in the first one.
 */

const PACKAGE = 'remsim';

/* Section types in the order of the page, each a tab; the name where LuCI has to make the section. */
const SECTIONS = [
	{ type: 'remsim', name: 'main', title: _('General') },
	{ type: 'modem', title: _('Modems'), about: _('A section for each modem; its name is used everywhere the modem is named.') },
	{ type: 'frontend', title: _('Frontends'), about: _('What presents the bank’s card to a modem.') },
	{ type: 'rspro', name: 'rspro', title: _('Bank (RSPRO)'), about: _('The way to the SIM bank. RSPRO has neither encryption nor authentication: run it in a tunnel.') },
	{ type: 'ionmesh', name: 'ionmesh', title: _('IonMesh'), about: _('The orchestrator that gives this router its card.') },
	{ type: 'failover', name: 'failover', title: _('Failover'), about: _('When the data moves to another link.') },
	{ type: 'recovery', name: 'recovery', title: _('Recovery'), about: _('What is tried to bring a modem back.') },
	{ type: 'metrics', name: 'metrics', title: _('Metrics'), about: _('Values for Prometheus.') },
	{ type: 'history', name: 'history', title: _('History'), about: _('Recorded values, for the graphs.') },
	{ type: 'alert', title: _('Alerts'), about: _('A section for each alert; it needs “above” or “below”.') }
];

const GROUPS = {
	modem: [
		[ 'modem', _('Modem'), [] ],
		[ 'card', _('SIM card'), [ 'sim', 'sim_slot', 'sim_select_line', 'sim_select_remote' ] ],
		[ 'lines', _('Reset and power'), [ 'reset_line', 'reset_active', 'reset_pulse_ms', 'power_line', 'power_off_ms' ] ],
		[ 'data', _('Data plan'), [ 'data_limit_mb', 'data_reset_day' ] ]
	],
	ionmesh: [
		[ 'server', _('Orchestrator'), [] ],
		[ 'card', _('Wanted card'), [ 'mapping_mode', 'mcc_mnc', 'carrier', 'preferred_bank_id' ] ],
		[ 'tls', _('Keys and certificates'), [ 'api_key_file', 'api_key', 'ca_cert', 'client_cert', 'client_key', 'insecure', 'tls_min' ] ],
		[ 'timing', _('Timing'), [ 'interval', 'metered_interval', 'timeout' ] ],
		[ 'older', _('Older routers'), [ 'host', 'port', 'legacy_proxy' ] ]
	],
	failover: [
		[ 'decision', _('Decision'), [] ],
		[ 'probes', _('Probes'), [ 'targets', 'reliability', 'down', 'up', 'interval', 'fast_interval', 'timeout' ] ]
	]
};

/* Which value of another option an option makes sense with; '' is the default. LuCI drops what is hidden. */
const PRIMARY = [ { role: '' }, { role: 'primary' } ];
const BY_SERVER = [ { connect_mode: '' }, { connect_mode: 'auto' }, { connect_mode: 'server' } ];
const BY_BANKD = [ { connect_mode: '' }, { connect_mode: 'auto' }, { connect_mode: 'bankd' } ];
const DEPENDS = {
	modem: { sim: PRIMARY, sim_select_line: PRIMARY, sim_select_remote: PRIMARY },
	frontend: {
		usb_path: [ { type: 'cardem' } ], usb_interface: [ { type: 'cardem' } ],
		host: [ { type: 'vpcd' } ], port: [ { type: 'vpcd' } ]
	},
	rspro: {
		server_host: BY_SERVER, server_port: BY_SERVER,
		bankd_host: BY_BANKD, bankd_port: BY_BANKD, bank_id: BY_BANKD, bank_slot: BY_BANKD
	},
	ionmesh: { host: [ { url: '' } ], port: [ { url: '' } ] },
	alert: { webhook_key_file: [ { '!reverse': true, webhook: '' } ] }
};

const TRUE = [ '1', 'yes', 'on', 'true', 'enabled' ];
const NUMBER = { integer: /^([0-9]+)$/, decimal: /^-?([0-9]+)(?:\.[0-9]{1,9})?$/ };

function modemNames() {
	return uci.sections(PACKAGE, 'modem').map(section => section['.name']);
}

/* Values that are offered for an option that takes others, too. */
const OFFERED = {
	'frontend.modem': modemNames,
	'rspro.via': () => [ 'primary', 'secondary', 'any', ...modemNames() ],
	'ionmesh.via': () => [ 'primary', 'secondary', 'any', ...modemNames() ]
};

function widget(about) {
	if (about.many)
		return form.DynamicList;
	return { flag: form.Flag, choice: form.ListValue }[about.kind] ?? form.Value;
}

/* The daemon's own words for a value that it would refuse; what only it can judge is asked on saving. */
function judge(about, value) {
	if (value == null || value === '')
		return about.required ? _('must be set; allowed: %s').format(about.allowed) : true;

	const number = NUMBER[about.kind]?.exec(value);
	if (number === null || number?.[1].length > about.digits || Number(value) < about.low || Number(value) > about.high)
		return _('allowed: %s').format(about.allowed);
	return true;
}

function helped(about) {
	return about.allowed ? `${about.help} ${_('Allowed: %s.').format(about.allowed)}` : about.help;
}

/* A word in the file that is not allowed: it is shown and refused, instead of being replaced unseen. */
function offerStored(option, type, about) {
	for (const stored of new Set(uci.sections(PACKAGE, type).map(section => section[about.name])))
		if (stored != null && !about.choices.includes(stored))
			option.value(stored, _('%s (not allowed)').format(stored));
}

function addOption(section, type, about) {
	const group = (GROUPS[type] ?? []).find(([ , , names ]) => names.includes(about.name)) ?? (GROUPS[type] ?? [])[0];
	const args = [ widget(about), about.name, about.title, helped(about) ];
	const option = group ? section.taboption(group[0], ...args) : section.option(...args);

	if (about.kind == 'flag') {
		option.default = about.default;
		option.load = section_id => {
			const value = uci.get(PACKAGE, section_id, about.name);
			return value == null ? value : TRUE.includes(String(value).toLowerCase()) ? '1' : '0';
		};
		return;
	}
	if (about.kind == 'choice' && !about.required)
		option.value('', about.default ? _('%s (default)').format(about.default) : _('not set'));
	for (const value of about.choices ?? OFFERED[`${type}.${about.name}`]?.() ?? [])
		if (value != about.default || !about.choices)
			option.value(value, value);
	if (about.kind == 'choice')
		offerStored(option, type, about);
	option.placeholder = about.default ?? null;
	option.password = about.kind == 'secret';
	option.validate = (section_id, value) => judge(about, value);
	for (const values of DEPENDS[type]?.[about.name] ?? [])
		option.depends(values);
}

function addSection(map, { type, title, about }) {
	const { repeated, options } = schema[type];
	const section = map.section(form.TypedSection, type, title, about);

	section.addremove = repeated;
	section.anonymous = !repeated;
	for (const [ name, label ] of GROUPS[type] ?? [])
		section.tab(name, label);
	options.forEach(option => addOption(section, type, option));
}

/* A section that exists once is there to be filled in, also where the file lacks it. */
function complete() {
	for (const { type, name } of SECTIONS)
		if (name && !uci.sections(PACKAGE, type).length)
			uci.add(PACKAGE, type, name);
}

function clear(root) {
	root.querySelectorAll('.remsimd-mistake').forEach(node => node.remove());
	root.querySelectorAll('.remsimd-wrong').forEach(node => node.classList.remove('remsimd-wrong'));
}

/* Where a mistake is shown: at its option, else at its section, else over the form. */
function place(root, mistake) {
	const section_id = check.sectionId(mistake.section);
	const option = root.querySelector(`[data-field="cbid.${PACKAGE}.${section_id}.${mistake.option}"]`);

	if (option && !option.classList.contains('hidden'))
		return option;
	return root.querySelector(`#cbi-${PACKAGE}-${section_id}`) ?? root;
}

function mark(root, mistake) {
	const node = E('div', { 'class': 'remsimd-mistake', 'role': 'alert' }, [ mistake.text ]);
	const where = place(root, mistake);

	where.classList.add('remsimd-wrong');
	if (where.classList.contains('cbi-value'))
		(where.querySelector('.cbi-value-field') ?? where).appendChild(node);
	else
		where.insertBefore(node, where.firstChild);
	return node;
}

/* Bring a node into view that may be in tabs which are not chosen. */
function reveal(node) {
	for (let pane = node.parentNode.closest('[data-tab]'); pane; pane = pane.parentNode.closest('[data-tab]')) {
		pane.parentNode.previousElementSibling?.querySelector(`li[data-tab="${pane.dataset.tab}"] a`)?.click();
	}
	node.scrollIntoView({ block: 'center' });
}

return view.extend({
	load() {
		return Promise.all([ page.style(), uci.load(PACKAGE) ]);
	},

	render() {
		complete();
		this.map = new form.Map(PACKAGE, _('Settings'), _('What is left empty has the default that is shown in grey. The daemon checks everything before it is saved.'));
		this.map.tabbed = true;
		SECTIONS.forEach(section => addSection(this.map, section));
		return this.map.render();
	},

	/* Between the form's own checks and the saving: nothing is saved that the daemon would refuse. */
	async refuse() {
		const mistakes = await check.mistakes();

		if (mistakes.length)
			throw Object.assign(new Error(_('Not saved. Mistakes found by the daemon: %d').format(mistakes.length)), { mistakes });
	},

	/* What was refused stays in the form only: `uci` knows what is saved, so that setting it back is no change. */
	async forget() {
		uci.unload(PACKAGE);
		await uci.load(PACKAGE);
		complete();
	},

	async handleSave() {
		const { root } = this.map;

		clear(root);
		this.notice?.remove();
		try {
			await this.map.save(() => this.refuse(), true);
		}
		catch (error) {
			await this.forget();
			const marks = (error?.mistakes ?? []).map(mistake => mark(root, mistake));
			const first = marks[0] ?? root.querySelector('.cbi-input-invalid');

			if (first)
				reveal(first);
			this.notice = ui.addNotification(null, [ E('p', {}, [ error?.message ?? _('Not saved: some values are not allowed.') ]) ], 'error');
			throw error;
		}
	},

	async handleSaveApply(ev, mode) {
		await this.handleSave(ev);
		return ui.changes.apply(mode == '0');
	}
});
