#!/bin/sh
# Runs inside a Linux sub-kernel on Holon: the subkernel command used wrongly, at the wrong moment and too much at once.
. "${0%/*}/library.sh"
refused() { # NAME, STATUS, then arguments of subkernel
	name=$1 wanted=$2
	shift 2
	same "$name is refused" "$wanted" "$(status subkernel "$@")"
}
state() { field "$1" 3; }
own=$(subkernel ls | awk 'NR == 2 { print $1 }')
loop='while :; do :; done'

same "each line of its help stands there once" "" "$(subkernel --help | sort | uniq -d)"
refused "nothing to do" 2
refused "an unknown command" 2 walk 1
refused "an unknown option" 2 run --no-such-option
refused "kill without a number" 2 kill
refused "kill with two" 2 kill 1 2
for number in x 1x '' -1 0x 1T 18446744073709551616; do refused "the number '$number'" 2 kill "$number"; done
for number in 0 99999 18446744073709551615 9223372036854775808; do
	for what in kill freeze thaw; do refused "$what of $number, which is none," 1 $what $number; done
done
refused "memory that is no number" 2 run -m much -- true
refused "less than no memory" 2 run -m -5M -- true
refused "memory beyond all numbers" 2 run -m 99999999999999999999 -- true
refused "memory that wraps" 2 run -m 17592186044416M -- true
refused "nearly 2^64 bytes" 1 run -m 18446744073709551615 -- true
refused "nearly 2^64 capabilities" 1 run -c 18446744073709551615 -- true
refused "a page" 1 run -m 4K -- true
refused "one capability" 1 run -c 1 -- true
refused "a CPU that is not there" 1 run -u 0x80000000 -- true
refused "a name that is too long" 2 run -n aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa -- true
same "a program that is not there" 127 "$(status subkernel run -m 16M -- /no/such/program)"
# ESC [ 2 J in a name would clear the screen of whoever lists it.
n=$(subkernel run --detach -n "$(printf '\033[2Jx\ny')" -m 16M -- sleep 1000)
same "a name cannot carry control sequences" '?[2Jx?y' "$(field "$n" 2)"
subkernel kill "$n"

refused "killing oneself" 1 kill "$own"
refused "freezing oneself" 1 freeze "$own"
same "killing one's parent is refused" 1 "$(status subkernel run -m 16M -- subkernel kill "$own")"
same "killing one's sibling is refused" 1 "$(n=$(subkernel run --detach -m 16M -- sleep 1000)
	status subkernel run -m 16M -- subkernel kill "$n"; subkernel kill "$n")"
same "a child does not see its parent" 0 "$(subkernel run -m 16M -n inner -- subkernel ls | awk -v n="$own" '$1 == n' | wc -l)"

n=$(subkernel run --detach -n outer -m 64M -- subkernel run -n below -m 16M -- sh -c "$loop")
wait_until 'subkernel ls | grep -q below' || echo "not ok system: a grandchild starts"
below=$(subkernel ls | awk '$2 == "below" { print $1 }')
refused "thawing what is not frozen" 1 thaw "$n"
check "a frozen child" subkernel freeze "$n"
refused "freezing it twice" 1 freeze "$n"
same "freezes what is below it" frozen "$(state "$below")"
check "which may be frozen itself" subkernel freeze "$below"
check "and stays so" subkernel thaw "$n"
same "when its parent goes on" "running frozen" "$(state "$n") $(state "$below")"
subkernel freeze "$n"
check "killing a frozen grandchild below a frozen child" subkernel kill "$below"
check "killing a frozen child" subkernel kill "$n"
refused "killing it twice" 1 kill "$n"
same "all are gone" 1 "$(subkernel ls | awk 'NR > 1' | wc -l)"

# A low-priority child that keeps the manager busy must not keep it from others, however busy the CPU is.
n=$(subkernel run --detach -p 1 -m 32M -- sh -c 'while :; do subkernel ls >/dev/null; done')
m=$(subkernel run --detach -m 32M -- sh -c "$loop")
check "the manager answers while a child of low priority calls it and another computes" timeout 120 sh -c \
	'for i in 1 2 3 4 5 6 7 8 9 10; do subkernel ls >/dev/null || exit 1; done'
subkernel kill "$n"
subkernel kill "$m"

for i in $(seq 20); do
	n=$(subkernel run --detach -m 16M -- sh -c "$loop") && subkernel kill "$n" || echo "not ok system: kill during start, round $i"
done
same "killed while they start" 1 "$(subkernel ls | awk 'NR > 1' | wc -l)"
one() { # a child that ends, is killed or is frozen and killed, early or late
	case $(($1 % 4)) in
	0) subkernel run -m 4M -c 200 -- true ;;
	1) n=$(subkernel run --detach -m 4M -c 200 -- sh -c "$loop") && subkernel kill "$n" ;;
	2) n=$(subkernel run --detach -m 4M -c 200 -- sh -c "$loop") && subkernel freeze "$n" && subkernel kill "$n" ;;
	3) subkernel run -m 4M -c 200 -- sh -c 'exit 5'; [ $? = 5 ] ;;
	esac
}
fifty() { for i in $(seq 50); do (one "$i" 2>&1 || echo "round $i failed") & done; wait; }
same "fifty at once, run, frozen and killed, three times" "" "$(fifty; fifty; fifty)"
said=
sleep 1
# The personality keeps something for as many tasks as there ever were at once, which a later round may raise; a child that
# is not given back shows in every round.
for round in 1 2 3 4 5 6; do
	before=$(used)
	said=$said$(fifty)
	wait_until "test \"\$(kib \"\$(used)\")\" -le $(($(kib "$before") + 600))" 30 && break
done
same "and fifty again" "" "$said"
same "none is left" 1 "$(subkernel ls | awk 'NR > 1' | wc -l)"
came_back "every page came back" "$before"
echo "ok system: the end was reached"
