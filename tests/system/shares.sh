#!/bin/sh
# Runs inside a Linux sub-kernel on Holon, where time is counted in instructions: shares of a CPU (--cpu-share), by the CPU time
# of two children that compute all the time.
. "${0%/*}/library.sh"
loop='while :; do :; done'
counted() { field "$1" 7 | tr -d s; }
shares() { # SHARE: how much more than one of that share a whole one gets, in percent
	n=$(subkernel run --detach -n whole -m 16M -- sh -c "$loop")
	m=$(subkernel run --detach -n part -m 16M --cpu-share "$1" -- sh -c "$loop")
	sleep 0.5
	from_n=$(counted "$n") from_m=$(counted "$m")
	wait_until "awk -v a=$from_n -v b=\$(counted $n) 'BEGIN { exit b - a < 1.5 }'" || echo "not ok system: the CPU is used"
	subkernel freeze "$n"; subkernel freeze "$m"
	awk -v a="$from_n" -v b="$(counted "$n")" -v c="$from_m" -v d="$(counted "$m")" 'BEGIN { print int((b - a) * 100 / (d - c + 0.001)) }'
	subkernel kill "$n"; subkernel kill "$m"
}
for share in 100 50 25 10; do
	ratio=$(shares $share)
	check "cpu-share: a whole gets 100 where $share percent get $share ($ratio)" test $((ratio * share)) -ge 8000 -a $((ratio * share)) -le 12500
done
same "none is left" 1 "$(subkernel ls | awk 'NR > 1' | wc -l)"
echo "ok system: the end was reached"
