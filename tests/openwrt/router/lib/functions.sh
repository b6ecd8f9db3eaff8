# What OpenWrt's functions.sh does for init scripts and packages, as far as ours use it; in our own words.

config_load() {
	local file="/etc/config/$1"
	CONFIG_SECTIONS=""
	CONFIG_COUNT=0
	[ -f "$file" ] || return 1
	# shellcheck disable=SC1090 # the file is UCI: config, option and list are the functions below
	. "$file"
}

config() {
	CONFIG_SECTION="${2:-cfg$CONFIG_COUNT}"
	CONFIG_COUNT=$((CONFIG_COUNT + 1))
	CONFIG_SECTIONS="$CONFIG_SECTIONS $CONFIG_SECTION"
	eval "CONFIG_${CONFIG_SECTION}_TYPE=\"\$1\""
}

option() {
	eval "CONFIG_${CONFIG_SECTION}_$1=\"\$2\""
}

list() {
	eval "CONFIG_${CONFIG_SECTION}_$1=\"\${CONFIG_${CONFIG_SECTION}_$1:-} \$2\""
}

config_get() {
	eval "$1=\"\${CONFIG_${2}_${3}:-${4:-}}\""
}

config_get_bool() {
	local value
	config_get value "$2" "$3" "${4:-}"
	case "$value" in
	1 | on | true | yes | enabled) eval "$1=1" ;;
	*) eval "$1=0" ;;
	esac
}

config_foreach() {
	local function="$1" kind="$2" section actual
	shift 2
	for section in $CONFIG_SECTIONS; do
		config_get actual "$section" TYPE
		[ "$actual" != "$kind" ] || "$function" "$section" "$@"
	done
}

package_files() {
	grep "^$2" "/usr/lib/opkg/info/$1.list"
}

default_postinst() {
	local name script
	name="$(basename "${1%.*}")"
	for script in $(package_files "$name" /etc/uci-defaults/); do
		# shellcheck disable=SC1090 # a file of the package
		(. "$script") && rm -f "$script"
	done
	[ ! -f "/usr/lib/opkg/info/$name.postinst-pkg" ] || sh "/usr/lib/opkg/info/$name.postinst-pkg"
	for script in $(package_files "$name" /etc/init.d/); do
		[ "$PKG_UPGRADE" = 1 ] || "$script" enable
		"$script" start
	done
}

default_prerm() {
	local name script
	name="$(basename "${1%.*}")"
	for script in $(package_files "$name" /etc/init.d/); do
		[ "$PKG_UPGRADE" = 1 ] || "$script" disable
		"$script" stop
	done
}
