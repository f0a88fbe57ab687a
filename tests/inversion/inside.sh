#!/bin/sh
# Runs inside Holon. A hostile sub-kernel starts a child of priority 1 that calls the manager without end, then LOOPS busy
# loops above it. The manager's other callers must be answered all the same, also while admitted budgets use all that may be
# promised of the CPU, and one who has such a budget takes best effort beside it, as much as it gets (BURDEN not empty).
loops=$1 burden=$2
if [ "$burden" ]; then
	tree() { subkernel run --detach -n "$1" -m 8M --profile realtime --budget "$2/100ms" holdings "$1" 100000000; }
	tree spin 40ms > /tmp/burden && tree press 20ms >> /tmp/burden || echo "not ok inversion: the burden starts"
fi
hostile='cat > /tmp/lister; chmod +x /tmp/lister
(subkernel run -p 1 -n low -m 64M -- sh -c "cat > /tmp/lister; chmod +x /tmp/lister; /tmp/lister" < /tmp/lister) &
until subkernel ls | grep -q low; do sleep 0.2; done; sleep 1; echo started
i=0; while [ $i -lt '$loops' ]; do (while :; do :; done) & i=$((i + 1)); done; wait'
subkernel run -n hostile -m 200M -- sh -c "$hostile" < /lister > /tmp/hostile.out 2>&1 &
until grep -q started /tmp/hostile.out; do sleep 0.2; done
sleep 2
check() { # NAME, COMMAND...
	name=$1
	shift
	if "$@" > /tmp/out 2>&1; then
		echo "ok inversion, $loops loops: $name"
	else
		echo "not ok inversion, $loops loops: $name - status $?: $(head -c 200 /tmp/out)"
	fi
}
for round in 1 2 3; do check "the list is answered" subkernel ls; done
number=$(subkernel ls | awk '$2 == "hostile" { print $1 }')
check "another sub-kernel runs" subkernel run -m 16M -- true
check "the hostile one is ended" subkernel kill "$number"
[ "$burden" ] && check "so are those with budgets" sh -c 'for n in $(cat /tmp/burden); do subkernel kill "$n" || exit 1; done'
check "and none is left" sh -c '[ "$(subkernel ls | awk "NR > 2" | wc -l)" = 0 ]'
echo "ok inversion, $loops loops: the end was reached"
