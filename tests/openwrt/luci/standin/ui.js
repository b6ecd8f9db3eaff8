'use strict';
'require baseclass';
'require dom';
'require rpc';

/* Modal dialogues, notices, buttons that wait for their work, tabs, and the applying of changes. */

const callApply = rpc.declare({ object: 'uci', method: 'apply', params: [ 'timeout', 'rollback' ], reject: true });
const callConfirm = rpc.declare({ object: 'uci', method: 'confirm', reject: true });

function chooseTab(menu, panes, name) {
	for (const item of menu.children)
		item.className = item.dataset.tab == name ? 'cbi-tab' : 'cbi-tab-disabled';
	for (const pane of panes)
		pane.dataset.tabActive = pane.dataset.tab == name;
}

return baseclass.extend({
	showModal(title, children, ...classes) {
		const box = document.querySelector('#modal_overlay');

		dom.content(box, [ E('div', { 'class': [ 'modal', ...classes ].join(' '), 'role': 'dialog', 'aria-modal': 'true' },
			[ E('h4', {}, [ title ]), ...(Array.isArray(children) ? children : [ children ]) ]) ]);
		document.body.classList.add('modal-overlay-active');
		return box.firstChild;
	},

	hideModal() {
		document.body.classList.remove('modal-overlay-active');
		dom.content(document.querySelector('#modal_overlay'), []);
	},

	addNotification(title, children, ...classes) {
		const notice = E('div', { 'class': [ 'alert-message', 'fade-in', ...classes ].join(' ') }, [
			E('button', { 'class': 'btn right', 'click': () => notice.remove() }, [ _('Dismiss') ]),
			title == null ? '' : E('h4', {}, [ title ])
		]);

		dom.append(notice, children);
		document.querySelector('#maincontent').prepend(notice);
		return notice;
	},

	createHandlerFn(context, fn, ...args) {
		return ev => {
			const button = ev.currentTarget, run = typeof fn == 'function' ? fn : context[fn];

			button.classList.add('spinning');
			button.disabled = true;
			return Promise.resolve(run.apply(context, [ ...args, ev ])).catch(error => {
				if (error)
					console.warn(error.message);
			}).finally(() => {
				button.classList.remove('spinning');
				button.disabled = false;
			});
		};
	},

	tabs: {
		initTabGroup(nodes) {
			const panes = [ ...nodes ].filter(node => node.dataset?.tab), group = panes[0].parentNode;
			const menu = E('ul', { 'class': 'cbi-tabmenu' });

			for (const pane of panes)
				menu.appendChild(E('li', { 'data-tab': pane.dataset.tab }, [ E('a', { 'href': '#', 'click': ev => {
					ev.preventDefault();
					chooseTab(menu, panes, pane.dataset.tab);
				} }, [ pane.dataset.tabTitle ]) ]));
			group.parentNode.insertBefore(menu, group);
			chooseTab(menu, panes, (panes.find(pane => pane.dataset.tabActive == 'true') ?? panes[0]).dataset.tab);
		}
	},

	changes: {
		async apply() {
			await callApply(90, true);
			await callConfirm();
			document.body.dataset.applied = Number(document.body.dataset.applied ?? 0) + 1;
		}
	}
});
