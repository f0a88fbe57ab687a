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
wait_until() { # a condition, for ten seconds
	for _ in $(seq 100); do
		if eval "$1"; then return 0; fi
		sleep 0.1
	done
	return 1
}
