'use strict';
'require baseclass';
'require fs';
'require uci';
'require remsimd.api as api';

/*
 * What the daemon says to the settings as they stand in the form, before they are saved: the
 * running daemon where there is one, otherwise its program.
 */

const PACKAGE = 'remsim';
const PROGRAM = '/usr/bin/remsimd';
const DRAFT = '/tmp/remsimd-settings';

/* A mistake as the program prints it: section.option = 'value': problem (line 7) */
const PRINTED = /^ {2}((@?\w+(?:\[\d+\])?)(?:\.(\w+))?(?: = (?:'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"))?: .*)$/;

const LINE = / \(line \d+\)$/;

function quoted(value) {
	return `'${String(value).replace(/'/g, "'\\''")}'`;
}

/* `uci.sections` still has options that were unset and not saved; `uci.get` has not. */
function lines(section) {
	const name = section['.anonymous'] ? '' : ` ${quoted(section['.name'])}`;
	const found = [ `config ${quoted(section['.type'])}${name}` ];

	for (const option of Object.keys(section).filter(key => key.charAt(0) != '.')) {
		const value = uci.get(PACKAGE, section['.name'], option);

		if (Array.isArray(value))
			found.push(...value.map(item => `\tlist ${option} ${quoted(item)}`));
		else if (value != null)
			found.push(`\toption ${option} ${quoted(value)}`);
	}
	return found;
}

/* The package in the form of `uci export`, with what was changed here and is not saved yet. */
function text() {
	return uci.sections(PACKAGE).flatMap(section => [ ...lines(section), '' ]).join('\n');
}

function printed(stderr) {
	return (stderr ?? '').split('\n').map(line => PRINTED.exec(line)).filter(found => found).map(
		([ , whole, section, option ]) => ({ section: section, option: option ?? null, text: whole }));
}

async function askDaemon(draft) {
	const answer = await api.configCheck(draft);

	return answer.mistakes;
}

async function askProgram(draft) {
	await fs.write(DRAFT, draft, 0o600);
	try {
		const ended = await fs.exec(PROGRAM, [ '--check', '--config', DRAFT ]);

		if (ended.code == 0)
			return [];

		const mistakes = printed(ended.stderr);
		return mistakes.length ? mistakes : [ { section: null, option: null, text: ended.stderr } ];
	}
	finally {
		await fs.remove(DRAFT);
	}
}

return baseclass.extend({
	/* The mistakes: section as the daemon calls it, option (null: the section as a whole), text. */
	async mistakes() {
		const draft = text();
		const found = await askDaemon(draft).catch(error => {
			if (error.unreachable)
				return askProgram(draft);
			throw error;
		});

		/* The lines are those of the draft, which nobody sees. */
		return found.map(mistake => ({ ...mistake, text: mistake.text.replace(LINE, '') }));
	},

	/* LuCI's id of the section that the daemon calls by its name, `@type[index]` or its type. */
	sectionId(label) {
		const anonymous = /^@(\w+)\[(\d+)\]$/.exec(label ?? '');

		if (anonymous)
			return uci.sections(PACKAGE, anonymous[1])[Number(anonymous[2])]?.['.name'] ?? null;

		const all = uci.sections(PACKAGE);
		const found = all.find(section => section['.name'] == label) ?? all.find(section => section['.type'] == label);
		return found ? found['.name'] : null;
	}
});
