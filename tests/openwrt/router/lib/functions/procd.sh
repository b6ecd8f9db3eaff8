# procd and its shell functions in one, for a single instance: it starts, signals and ends; it does not respawn.
# As in procd, a service that is set without an instance is ended, and one that changed gets its reload signal.

PROCD=/var/run/procd

procd_open_service() {
	SERVICE="$1"
	mkdir -p "$PROCD/$SERVICE"
	rm -f "$PROCD/$SERVICE/set"
}

procd_open_instance() {
	: >"$PROCD/$SERVICE/set"
}

procd_set_param() {
	echo "$*" >>"$PROCD/$SERVICE/set"
}

procd_close_instance() {
	:
}

for nothing in procd_add_reload_trigger procd_add_interface_trigger procd_add_validation; do
	eval "$nothing() { :; }"
done

uci_load_validate() {
	:
}

procd_running() {
	[ -s "$PROCD/$1/pid" ] && kill -0 "$(cat "$PROCD/$1/pid")" 2>/dev/null
}

procd_signal_of() {
	sed -n 's/^reload_signal //p' "$PROCD/$1/set"
}

procd_fingerprint() {
	cat "$PROCD/$1/set"
	md5sum "$(sed -n 's/^file //p' "$PROCD/$1/set")"
}

procd_close_service() {
	local dir="$PROCD/$SERVICE"
	[ -f "$dir/set" ] || {
		procd_kill "$SERVICE"
		return
	}
	procd_fingerprint "$SERVICE" >"$dir/new"
	if procd_running "$SERVICE"; then
		cmp -s "$dir/new" "$dir/now" || kill -s "$(procd_signal_of "$SERVICE")" "$(cat "$dir/pid")"
	else
		# shellcheck disable=SC2046 # environment and command are lists of words
		setsid env $(sed -n 's/^env //p' "$dir/set") $(sed -n 's/^command //p' "$dir/set") \
			</dev/null >/dev/null 2>>/var/log/messages &
		echo $! >"$dir/pid"
	fi
	mv "$dir/new" "$dir/now"
}

procd_send_signal() {
	! procd_running "$1" || kill -s "${3:-HUP}" "$(cat "$PROCD/$1/pid")"
}

procd_kill() {
	local left=50
	procd_running "$1" || return 0
	kill -s TERM "$(cat "$PROCD/$1/pid")"
	while procd_running "$1"; do
		sleep 0.1
		left=$((left - 1))
		[ "$left" -gt 0 ] || kill -s KILL "$(cat "$PROCD/$1/pid")"
	done
	rm -rf "${PROCD:?}/$1"
}
