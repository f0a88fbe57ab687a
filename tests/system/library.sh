# What the scripts that run inside share. One line a check.
check() { # NAME, then a command that must succeed
	name=$1
	shift
	if "$@" >/tmp/out 2>&1; then echo "ok system: $name"; else echo "not ok system: $name - $(head -c 300 /tmp/out | tr '\n' ' ')"; fi
}
same() { # NAME, expected, got
	if [ "$2" = "$3" ]; then echo "ok system: $1"; else echo "not ok system: $1 - expected '$2', got '$3'"; fi
}
status() {
	"$@" >/dev/null 2>&1
	echo $?
}
# Column COLUMN of the line of sub-kernel NUMBER in ls.
field() { subkernel ls | awk -v n="$1" -v c="$2" '$1 == n { print $c }'; }
used() { subkernel ls | awk 'NR == 2 { print $4 }'; }
kib() { echo "$1" | awk '/M$/ { print int($1 * 1024); next } { print int($1) }'; }
wait_until() { # a condition, for a minute, or so many tenths of a second
	for _ in $(seq "${2:-600}"); do
		if eval "$1"; then return 0; fi
		sleep 0.1
	done
	return 1
}
# NAME, BEFORE: of all memory used since then no more is held than what is measured with, and threads that are kept for reuse, take; a child
# that was not given back would be 900K and more.
came_back() {
	most=$(($(kib "$2") + 600))
	wait_until "test \"\$(kib \"\$(used)\")\" -le $most" 200
	after=$(used)
	check "$1: $after of $2" test "$(kib "$after")" -le $most
}
