#!/bin/sh
# Run by the feed's CI: every program must name the version it was packaged as. $1 the package, $2 the version.

case "$1" in
remsimd)
	for program in remsimd remsimctl; do
		"$program" --version | grep -F "${2%-r*}" || exit 1
	done
	;;
luci-app-remsimd) ;;
esac
