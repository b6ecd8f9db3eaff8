#!/bin/sh
# Run by the feed's CI in the installed package's userland: $1 the package, $2 its version.

case "$1" in
remsimd)
	remsimd --version | grep -F "${2%-r*}" || exit 1
	remsimctl --version | grep -F "${2%-r*}" || exit 1
	# Shipped off, and without a mistake.
	remsimd --check || exit 1
	remsimd --check --json | grep -F '"enabled": false' || exit 1
	# Without the daemon the control program says so and fails.
	! remsimctl status 2>/tmp/remsimctl.err || exit 1
	grep -F "is it running" /tmp/remsimctl.err || exit 1
	# A mistake is named with its place.
	printf "config failover\n\toption down '0'\n" >/tmp/remsim.broken
	! remsimd --check --config /tmp/remsim.broken 2>/tmp/remsimd.err || exit 1
	grep -F "@failover[0].down" /tmp/remsimd.err || exit 1
	rm -f /tmp/remsim.broken /tmp/remsimd.err /tmp/remsimctl.err
	;;
luci-app-remsimd)
	[ -s /usr/share/luci/menu.d/luci-app-remsimd.json ] || exit 1
	[ -s /www/luci-static/resources/view/remsimd/overview.js ] || exit 1
	;;
esac
