#!/bin/sh
# Runs inside a Linux sub-kernel on Holon: what goes into a child and comes out of it: --add, --env, --image, exec, logs and
# cp, used as meant and by those who mean harm.
. "${0%/*}/library.sh"
tree() { (cd "$1" && find . -exec stat -c '%n %f %s %Y' {} + | sed '/ 41/s/ [0-9]*$//' | sort && find . -type f -exec md5sum {} + | sort); }
odd="a name  with spaces
and a line"
long=$(printf 'n%.0s' $(seq 200))
mkdir -p /made/d/$long/$long && cd /made || exit 1
echo hello > "$odd"
head -c 300000 /dev/urandom > d/big
printf 'x' > "d/$long/$long/deep"
ln -s ../nowhere d/dangling && ln d/big d/hard && mkfifo d/pipe && mkdir d/empty
chmod 4751 d/big && chmod 1700 d/empty && touch -d @86400 d/big

# --add and --env
rm d/pipe
same "--add keeps files, modes and names" "$(tree /made/d | sed 's/ [0-9]*$//')" "$(subkernel run -m 64M --add /made/d:/opt/d --add /tests:/t -- sh -c \
	"$(sed -n '/^tree()/p' "$0"); tree /opt/d" | sed 's/ [0-9]*$//')"
mkfifo d/pipe
same "--env adds to the environment" "one two" "$(subkernel run -m 32M --env A=one -e 'B=two' -- sh -c 'echo $A $B')"
for bad in nothing A= =; do
	[ "$bad" = A= ] || same "--env $bad is refused" 2 "$(status subkernel run --env "$bad" -- true)"
done
for bad in /made /made: /made:relative :/x /none:/x; do
	check "--add $bad is refused" sh -c "! subkernel run -m 32M --add '$bad' -- true"
done
same "an image that is not there" 1 "$(status subkernel run --image nosuch -- true)"
same "an image's name that leads out" 1 "$(status subkernel run --image ../linux -- true)"
same "an image's name that is too long" 2 "$(status subkernel run --image $long -- true)"
same "a program that is not there says so" "no-such-program: there is no such program" "$(subkernel run -m 32M -- no-such-program)"

# exec
n=$(subkernel run --detach -n box -m 64M -- sh -c 'echo begun; exec sleep 1000')
wait_until 'subkernel logs box | grep -q begun'
same "exec: streams and status" "in: data 7" "$(echo data | subkernel exec box sh -c 'echo in: $(cat) $((3 + 4)); exit 9')"
same "exec: the program's status" 9 "$(status subkernel exec "$n" sh -c 'exit 9')"
same "exec: a killed program's" 143 "$(status subkernel exec box sh -c 'kill $$')"
same "exec: a program that is not there" 127 "$(status subkernel exec box no-such-program)"
same "exec: a child that is not there" 1 "$(status subkernel exec no-such-child true)"
same "exec: nothing to run" 2 "$(status subkernel exec box)"
same "exec: it is in the child's tree" "sleep" "$(subkernel exec box sh -c 'cat /proc/1/comm')"
same "exec: no process stays behind" "sleep sh" "$(subkernel exec box sh -c 'for p in /proc/[0-9]*; do read c < $p/comm; all="$all $c"; done; echo $all')"
same "exec: a program that leaves another behind" done "$(subkernel exec box sh -c 'sleep 1000 & echo done')"
same "exec: its own environment" "/root v" "$(HOME=/x subkernel exec -e K=v box sh -c 'echo $HOME $K')"
same "exec: a hundred thousand lines" 100000 "$(subkernel exec box seq 100000 | wc -l)"
same "exec: input of any length" "$(md5sum < d/big)" "$(subkernel exec box cat < d/big | md5sum)"
same "exec: twenty at once" 20 "$(for i in $(seq 20); do subkernel exec box echo here & done | grep -c here)"
same "exec: into a grandchild, by its grandparent" 3 "$(m=$(subkernel run --detach -n outer -m 128M -- subkernel run -n inner -m 32M -- sleep 1000)
	wait_until 'subkernel ls | grep -q inner'; i=$(subkernel ls | awk '$2 == "inner" { print $1 }'); subkernel exec inner sh -c 'exit 3'; echo $?
	subkernel kill "$m")"
same "exec: a child cannot reach its parent" 1 "$(own=$(subkernel ls | awk 'NR == 2 { print $1 }'); status subkernel run -m 32M -- subkernel exec "$own" true)"
same "exec: nor its sibling" 1 "$(status subkernel run -m 32M -- subkernel exec "$n" true)"
same "exec: without nesting there is nobody to ask" 1 "$(status subkernel run -m 32M --no-nesting -- subkernel exec "$n" true)"

# logs
same "logs show the output" begun "$(subkernel logs box)"
m=$(subkernel run --detach -n loud -m 32M -- sh -c 'yes; sleep 1000')
wait_until 'test "$(subkernel logs loud | wc -c)" -ge 30000'
check "logs: a child that floods its log costs its parent nothing" test "$(subkernel logs loud | wc -c)" -le 32768
same "logs: only whole text" y "$(subkernel logs loud | tail -n +2 | head -n -1 | sort -u)"
subkernel kill "$m"
same "logs -f goes on until the end" "1 2 3" "$(m=$(subkernel run --detach -m 32M -- sh -c 'for i in 1 2 3; do echo $i; sleep 1; done; sleep 5'); echo $(subkernel logs -f "$m"))"
m=$(subkernel run --detach -m 32M -- echo last words)
wait_until "! subkernel ls | grep -q '^ *$m '"
wait_until "subkernel logs $m" > /dev/null 2>&1
same "logs: a detached child keeps its log" "last words" "$(subkernel logs "$m")"
same "logs of nobody" 1 "$(status subkernel logs 99999)"

# cp
check "cp in" subkernel cp d box:/tmp/in
same "cp keeps files, modes, links and names" "$(tree d)" "$(subkernel exec box sh -c "$(sed -n '/^tree()/p' "$0"); tree /tmp/in")"
check "cp out" subkernel cp box:/tmp/in /tmp/back
same "cp and back is the same" "$(tree d)" "$(tree /tmp/back)"
check "cp of a name with spaces and lines" subkernel cp "$odd" box:/tmp/
same "cp: it is there" hello "$(subkernel exec box cat "/tmp/$odd")"
check "cp: and back" subkernel cp "box:/tmp/$odd" "/tmp/$odd.2"
same "cp: with what was in it" hello "$(cat "/tmp/$odd.2")"
same "cp of what is not there says so" "subkernel: cp: /no: No such file or directory" "$(subkernel cp box:/no /tmp 2>&1)"
same "cp: nor here" 1 "$(status subkernel cp /no box:/tmp)"
same "cp to a directory that is not there" 1 "$(status subkernel cp d box:/no/such/place)"
same "cp: two of ours" 2 "$(status subkernel cp a b)"
same "cp: two of theirs" 2 "$(status subkernel cp box:a box:b)"
grow() { while [ ! -e /tmp/stop ]; do echo more and more; done >> /tmp/growing; }
echo first > /tmp/growing
grow &
sleep 1
check "cp of a file that grows" subkernel cp /tmp/growing box:/tmp/grown
touch /tmp/stop
wait
subkernel exec box cat /tmp/grown > /tmp/grown
same "cp: it is what was there" "$(md5sum < /tmp/grown)" "$(head -c "$(stat -c %s /tmp/grown)" /tmp/growing | md5sum)"

# A child that lies: its agent, its file system and its output are its own.
liar() { # NAME, then a script that answers in the place of the child's agent
	subkernel exec box sh -c "rm -f /usr/bin/subkernel; cat > /usr/bin/subkernel; chmod 755 /usr/bin/subkernel" << END
#!/bin/sh
$2
END
	rm -rf /tmp/victim /tmp/escaped && mkdir /tmp/victim
	timeout 60 subkernel cp box:/tmp/in /tmp/victim/x > /dev/null 2>&1
	same "a lying child: $1 is refused" 1 $?
	check "a lying child: nothing leads out by $1" test ! -e /tmp/escaped
}
liar "no archive" 'head -c 100000 /dev/urandom | sed "s/^/A/"'
liar "an archive cut short" 'printf A; head -c 300 /dev/zero | tr "\0" a'
liar "an endless message" 'printf E; yes'
liar "a name with .." 'mkdir -p /tmp/l/a && cd /tmp/l/a && echo x > ../../escaped; printf A; tar -cPf - ../../escaped'
liar "a link that leads out" 'rm -rf /tmp/m && mkdir -p /tmp/m/copied && cd /tmp/m && ln -s /tmp copied/link && tar -cf /tmp/one.tar copied/link && rm copied/link && mkdir copied/link && echo x > copied/link/escaped && tar -cf /tmp/two.tar copied/link/escaped && printf A && head -c 512 /tmp/one.tar && cat /tmp/two.tar'
subkernel kill "$n"
m=$(subkernel run --detach -m 32M -- sleep 1000)
subkernel exec "$m" sh -c 'echo in; sleep 1000' > /tmp/dying & e=$!
wait_until 'grep -q in /tmp/dying'
subkernel kill "$m"
wait $e
same "exec in a child that dies" 137 $?
for i in $(seq 10); do
	m=$(subkernel run --detach -m 32M -- sleep 1000)
	subkernel exec "$m" true & e=$!
	subkernel kill "$m"
	wait $e
	case $? in 0 | 1 | 137) ;; *) echo "not ok system: exec while the child dies, round $i" ;; esac
done
same "none is left" 1 "$(subkernel ls | awk 'NR > 1' | wc -l)"
echo "ok system: the end was reached"
