#!/bin/sh
# Runs inside a Linux sub-kernel on Holon, with the capsules that capsule_test.py has made in /c: what is installed and run, what is
# given, and what is refused, each with the control that the same thing without its fault is taken.
. /tests/library.sh
N=org.example.hello
clock=$(date +%s) started=$(cut -d. -f1 /proc/uptime)
refused() { # NAME, words of the reason, STATUS, then arguments of capsule
	name=$1 words=$2 wanted=$3
	shift 3
	capsule "$@" </dev/null >/tmp/said 2>&1
	got=$?
	if [ $got = "$wanted" ] && grep -qF -e "$words" /tmp/said; then
		echo "ok system: $name is refused"
	else
		echo "not ok system: $name is refused - status $got: $(tail -n 2 /tmp/said | tr '\n' ' ')"
	fi
}
number() { subkernel ls | awk -v n="@$1" '$2 == n { print $1 }'; }

# ---- Time. One of the certificates ends soon: the first that is good still. It floods the manager with calls meanwhile.
check "control: a certificate without a near end" capsule install /c/good --grant none
for span in 20 40 80 160 320 640; do
	if capsule install /c/brief-$span --grant all >/dev/null 2>&1; then break; fi
done
check "control: a certificate whose time is not over yet" capsule inspect org.example.brief
capsule run --detach $N -- sleep 100000 >/dev/null
capsule run org.example.brief -- sh -c 'while :; do subkernel ls >/dev/null; done' >/tmp/brief 2>&1
same "a running capsule is ended when its certificate is" 137 $?
same "which is said" "capsule: org.example.brief was ended: its signer's certificate, or what was granted, is valid no longer" "$(tail -n 1 /tmp/brief)"
refused "running it again" "the signer's certificate is not valid at this time" 126 run org.example.brief
same "the other goes on" "@$N" "$(subkernel ls | awk '$2 ~ /^@/ { print $2 }')"
check "and is removed" capsule remove $N
check "so is the one whose time is over" capsule remove org.example.brief
check "a grant with an end of its own" capsule install /c/good --grant none --for 1s
sleep 2
refused "running it afterwards" "what was granted is over" 126 run $N
check "the same for a day" capsule install /c/good --grant none --for 1d
same "runs" "hello" "$(capsule run $N)"
for span in 3 30 300; do
	capsule run $N --for ${span}s -- sleep 100000 >/tmp/limited 2>&1
	got=$?
	if [ $got != 126 ]; then break; fi
done
same "a run with an end of its own is ended" 137 $got
same "which is said, too" 1 "$(grep -c 'valid no longer' /tmp/limited)"
refused "a time that is none" "--for wants a number" 126 run $N --for soon
echo 'none and more' >/run/capsule/$N.grant
refused "a kept grant that is damaged" "the kept grant is damaged" 126 run $N
check "it can be removed" capsule remove $N


# ---- What is refused, and its control.
check "control: a good capsule is installed" capsule install /c/good --grant none
same "it is kept for the session" session "$(capsule ls | awk -v n=$N '$1 == n { print $6 }')"
refused "a damaged payload" "the payload is not the one that was signed" 1 install /c/payload --grant none
refused "a damaged manifest" "the signer's signature over it is not good" 1 install /c/manifest --grant none
refused "a damaged certificate" "the signature over it is not good" 1 install /c/certificate --grant none
refused "a capsule cut short" "it is malformed" 1 install /c/short --grant none
refused "an empty file" "it is malformed" 1 install /c/empty --grant none
refused "a certificate whose time is over" "the signer's certificate is not valid at this time" 1 install /c/expired --grant none
refused "a certificate whose time is yet to come" "the signer's certificate is not valid at this time" 1 install /c/early --grant none
refused "a certificate of somebody else's making" "nobody whom the root trusts" 1 install /c/foreign --grant none
refused "a name outside of the signer's spaces" "outside its signer's name spaces: org.other.hello" 1 install /c/name --grant none
refused "a capability above the signer's ceiling" "its signer may not give: ledger" 1 install /c/ceiling --grant all
refused "a capability that is unknown here" "this system does not know: telepathy" 1 install /c/unknown --grant all
refused "an endpoint that is none" "HOST:PORT" 1 install /c/endpoint --grant all
refused "a quota out of bounds" "a quota of its manifest is out of bounds" 1 install /c/quota --grant none
refused "a payload of no kind" "neither a program nor an archive" 1 install /c/kind --grant none
refused "an older version" "version 1.1 is older than the installed 1.10" 1 install /c/older --grant none
refused "a file that is not there" "there is no such file" 2 install /c/nothing --grant none
refused "an installation with nobody to ask" "nobody to ask" 3 install /c/good
refused "a grant of what is not asked for" "the grant names what it does not ask for: wx" 3 install /c/good --grant wx
refused "an installation without what is required" "not granted: files" 1 install /c/needs --grant network
refused "a list of keys under another root" "nobody whom the root trusts" 1 keys /c/foreign-keys
refused "running what is not installed" "no capsule 'org.example.none'" 126 run org.example.none
refused "removing it" "no capsule 'org.example.none'" 1 remove org.example.none
refused "a name that leads elsewhere" "is no capsule's name" 1 remove ../../etc/passwd
refused "no command" "usage" 3
refused "an unknown one" "usage" 3 walk
same "no other was installed" 1 "$(capsule ls | awk 'NR > 1' | wc -l)"
date -s '2020-06-01 12:00:00' >/dev/null
refused "a certificate whose time is over, under a clock that was set back," "not valid at this time" 1 install /c/expired --grant none
refused "being inspected, too, that certificate" "not valid at this time" 1 inspect /c/expired

# ---- What it is given.
same "it runs, with its arguments and its status" "hello a b 7" "$(capsule run $N -- a b; echo $?)"
same "without a grant there are no files" 1 "$(capsule run $N -- ls /files >/dev/null 2>&1; echo $?)"
refused "--files for what was granted none" "was granted no files" 126 run $N --files /tmp
same "nor the caller's environment" "" "$(SECRET=s capsule run $N -- env | grep SECRET)"
same "nor sub-kernels of its own" 1 "$(capsule run $N -- subkernel ls >/dev/null 2>&1; echo $?)"
capsule run --detach $N -- sleep 1000 >/tmp/number
n=$(number $N)
same "detached, its number is told" "$(cat /tmp/number)" "$n"
same "its memory is the manifest's" 32.0M "$(field "$n" 5)"
same "its capabilities are the manifest's" 2048 "$(field "$n" 6 | sed 's/.*\///')"
same "it has no network" none "$(field "$n" 8)"
same "ls says that it runs" "runs as $n" "$(capsule ls | awk -v n=$N '$1 == n { print $3, $4, $5 }')"
same "memory beyond its quota is not to be had" 0 "$(capsule run $N -- sh -c 'head -c 100000000 /dev/zero >/big && echo had' 2>/dev/null | grep -c had)"
check "a running one is removed" capsule remove $N
same "it is gone" "" "$(number $N)"
same "and nothing is left" "" "$(ls -A /run/capsule)"

mkdir -p /tmp/shared && echo content >/tmp/shared/file
check "with a grant of all that it asks for" capsule install /c/good --grant all
same "the directory is there" content "$(capsule run $N --files /tmp/shared -- cat /files/file)"
same "what it writes is there afterwards" back "$(capsule run $N --files /tmp/shared -- sh -c 'echo back >/files/new'; cat /tmp/shared/new)"
same "unless it is to read alone" back "$(capsule run $N --files /tmp/shared:ro -- sh -c '(echo again >/files/new) 2>/dev/null'; cat /tmp/shared/new)"
same "sub-kernels of its own, inside its own" 0 "$(capsule run $N -- subkernel run -m 8M -- true >/dev/null 2>&1; echo $?)"
capsule run --detach $N -- sleep 1000 >/dev/null
same "the network, by the endpoints of its manifest alone" only "$(field "$(number $N)" 8)"
capsule run --detach $N --grant nesting -- sleep 1000 >/dev/null
same "a narrower grant at the run" "only none" "$(subkernel ls | awk -v n="@$N" '$2 == n { print $8 }' | sort -r | tr '\n' ' ' | sed 's/ $//')"
check "an installation with a smaller grant" capsule install /c/good --grant nesting
capsule run --detach $N --grant all -- sleep 1000 >/dev/null
same "is not widened at the run" "only none none" "$(subkernel ls | awk -v n="@$N" '$2 == n { print $8 }' | sort -r | tr '\n' ' ' | sed 's/ $//')"
check "all of them end with it" capsule remove $N
same "every one" 1 "$(subkernel ls | awk 'NR > 1' | wc -l)"

# ---- Single grants, taken from one that runs. It says again and again what it has: sub-kernels, files, a network.
has='while :; do
	subkernel run -m 8M -- true >/dev/null 2>&1 && s=yes || s=no
	cat /files/file >/dev/null 2>&1 && f=yes || f=no
	ping -c 1 -W 1 192.0.2.7 2>&1 | grep -q "Network is unreachable" && n=no || n=yes
	echo "$s $f $n"
done'
says() { # WANTED: waits until it says that
	for round in $(seq 600); do
		last=$(subkernel logs "$(number $N)" | tail -n 1)
		if [ "$last" = "$1" ]; then break; fi
		sleep 0.1
	done
	echo "$last"
}
echo content >/tmp/shared/file
check "a grant of all once more" capsule install /c/good --grant all
capsule run --detach $N --files /tmp/shared -- sh -c "$has" >/tmp/number
same "control: it has all that was granted" "yes yes yes" "$(says "yes yes yes")"
same "a network is taken from it" "taken         from $N, which now has files,nesting; 1 of it ran and had it" "$(capsule revoke $N --grant network)"
same "it goes on without" "yes yes no" "$(says "yes yes no")"
same "ls shows it" none "$(field "$(number $N)" 8)"
check "its files are taken" capsule revoke $N --grant files
same "it gets errors of them" "yes no no" "$(says "yes no no")"
check "so are its sub-kernels" capsule revoke $N --grant nesting
same "it makes no more" "no no no" "$(says "no no no")"
same "and is the one that it was" "$(cat /tmp/number)" "$(number $N)"
same "what it has not cannot be taken" 1 "$(status subkernel revoke "$(number $N)" network,ledger)"
same "what cannot be taken is said" 3 "$(status capsule revoke $N --grant wx)"
same "a sub-kernel that is not below cannot be reached" 1 "$(status subkernel revoke 1 nesting)"
check "it is removed" capsule remove $N
check "a grant of all for the last time" capsule install /c/good --grant all
capsule run --detach $N --files /tmp/shared -- sh -c "subkernel run --detach -m 8M -- sleep 100000; exec sleep 100000" >/dev/null
for round in $(seq 600); do
	if [ "$(subkernel ls | awk 'NR > 1' | wc -l)" = 3 ]; then break; fi
	sleep 0.1
done
check "one with a child" capsule revoke $N --grant nesting
same "loses it, too" 2 "$(subkernel ls | awk 'NR > 1' | wc -l)"
same "a time that is none, of one grant" 126 "$(status capsule run $N --grant none,nesting:soon -- true)"
same "a later run has nothing of what was taken" 1 "$(capsule run $N -- subkernel run -m 8M -- true >/dev/null 2>&1; echo $?)"
check "both are removed" capsule remove $N
check "grants with times of their own" capsule install /c/good --grant all
for span in 3 30 300; do
	if capsule run --detach $N --grant files:${span}s,nesting,network:1d --files /tmp/shared -- sh -c "$has" >/tmp/number 2>&1; then break; fi
done
same "one is over, the others are not" "yes no yes" "$(says "yes no yes")"
refused "a time for what cannot be taken" "wx cannot be taken from a capsule that runs" 126 run $N --grant wx:3s
check "that one is removed" capsule remove $N

check "control: what is required and granted" capsule install /c/needs --grant files
refused "running it without a directory" "say --files DIR" 126 run org.example.needs
same "with one it runs" content "$(capsule run org.example.needs --files /tmp/shared -- cat /files/file)"
rm /run/capsule/org.example.needs.grant
refused "running it without its grant" "not granted: files" 126 run org.example.needs --files /tmp/shared
check "a capsule of files" capsule install /c/tree --grant none
same "runs its program" "a tree of files" "$(capsule run org.example.tree)"

# ---- What is kept is checked again.
cp /c/good /run/capsule/org.example.tree.capsule
refused "another capsule in its place" "its file holds $N" 126 run org.example.tree
cp /c/payload /run/capsule/org.example.tree.capsule
refused "a damaged one in its place" "the payload is not the one that was signed" 126 run org.example.tree
check "it is removed all the same" capsule remove org.example.tree

# ---- Revocation.
check "control: a signer who will be revoked" capsule install /c/victim --grant none
check "and one who will not" capsule install /c/good --grant none
capsule run --detach org.example.victim -- sleep 1000 >/dev/null
capsule run --detach $N -- sleep 1000 >/dev/null
refused "a list of revocations by nobody" "nobody whom the root trusts" 1 revoke /c/foreign-revocations
same "both run" 2 "$(subkernel ls | grep -c '@org.example')"
subkernel run --detach -m 256M -n inner --add /c:/c -- sh -c 'capsule install /c/victim --grant none && capsule run --detach org.example.victim -- sleep 1000 && capsule install /c/good --grant none && capsule run --detach org.example.hello -- sleep 1000; exec sleep 1000' >/dev/null
check "control: a sub-kernel runs both, too" wait_until "test \"\$(subkernel ls | grep -c '@org.example')\" = 4" 1200
same "a list of revocations ends the one that it names" "ended         org.example.victim: the signer's certificate was revoked" "$(capsule revoke /c/revocations-2 | tee /tmp/said | sed -n 2p)"
same "and that which runs in another sub-kernel" 1 "$(grep -c '^ended         org.example.victim (sub-kernel [0-9]*): the signer.s certificate was revoked' /tmp/said)"
same "and no other" "@$N @$N" "$(subkernel ls | awk '$2 ~ /^@/ { print $2 }' | tr '\n' ' ' | sed 's/ $//')"
refused "running the revoked one" "certificate was revoked" 126 run org.example.victim
refused "installing it" "certificate was revoked" 1 install /c/victim --grant none
refused "an older list of revocations" "older than one that was seen before" 1 revoke /c/revocations-1
check "the same list again is no fault" capsule revoke /c/revocations-2
same "a list that withdraws an epoch ends all of it" "ended         $N: certificates of that age were withdrawn" "$(capsule revoke /c/revocations-3 | sed -n 2p)"
same "wherever it runs" "" "$(subkernel ls | awk '$2 ~ /^@/ { print $2 }')"
subkernel kill "$(subkernel ls | awk '$2 == "inner" { print $1 }')"
refused "running what was withdrawn" "certificates of that age were withdrawn" 126 run $N
echo broken >"$(ls /run/capsule/*.revocations)"
refused "anything under a damaged list" "is not to be trusted" 126 run $N
rm /run/capsule/*.revocations

# ---- A time without a capsule.
same "a time that is over is refused" 1 "$(status subkernel run -m 16M --until 1 -- true)"
for span in 3 30 300; do
	subkernel run -m 16M --until $((clock - started + $(cut -d. -f1 /proc/uptime) + span)) -- sleep 100000 >/dev/null 2>&1
	got=$?
	if [ $got != 1 ]; then break; fi
done
same "any sub-kernel can have a time, and ends with it" 137 $got
echo "the end"
