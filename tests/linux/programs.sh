# Debian's programs, and busybox' applets, on files, text and processes: sourced by a shell in the guest. Its output must be
# the same on Linux and on Holon, so it shows no times, process numbers, devices or sizes of memory.
t() { echo "== $*"; "$@" 2>&1; echo "-- $?"; }
s() { echo "== $1"; sh -c "$1" 2>&1; echo "-- $?"; }
export TZ=UTC LC_ALL=C
umask 022
rm -rf /tmp/p && mkdir /tmp/p && cd /tmp/p || exit 1
seq 1 2000 > numbers
i=0
while [ $i -lt 40 ]; do echo "line $i of the text, $((i * 7919 % 97))"; i=$((i + 1)); done > text
head -c 100000 /dev/zero | tr '\0' 'z' > zeroes

t basename /usr/lib/file.c .c
t dirname /usr/lib/file.c
t cat -n text
t head -n 3 text
t tail -n 3 text
t tail -c 20 text
s 'tail -n +1990 numbers'
t wc text numbers zeroes
t cut -d ' ' -f 2,4 text
s 'sort -k 7 -n text | head -n 5'
s 'sort -r numbers | uniq | wc -l'
s 'sort -R numbers | sort -n | cmp - numbers'
s 'sort -t, -k2 -u text'
t uniq -c text
s 'tr a-z A-Z < text | head -n 2'
s 'tr -d aeiou < text | tail -n 1'
t cksum text zeroes
t md5sum text zeroes
t sha1sum text
t sha256sum text zeroes
t sha512sum text
t sum numbers
t od -A d -t x1 -N 40 text
t od -c -N 20 text
t nl -b a text
t paste -d : numbers text
s 'fold -w 30 text | head -n 9'
s 'expand text | unexpand -a | head -n 2'
t comm numbers numbers -12
s 'split -l 500 numbers part. && ls part.* && cat part.* | cmp - numbers'
s 'rm part.*; ls'
t tac text
s 'rev text | head -n 2'
t seq -s , 1 2 20
t factor 1234567890 97
t expr 7 '*' 6
t expr abcdef : 'ab\(.*\)f'
t printf '%s|%5d|%-5s|%x|%o|%e\n' word 42 left 255 8 3.25
t echo -e 'a\tb'
t test -f text
t test -d text
t [ 3 -gt 4 ]
t true
t false
s 'yes 2> /dev/null | head -n 3'
s 'yes word 2> /dev/null | head -n 100000 | wc -c'
t env -i A=1 B=2 env
t printenv TZ
t date -u -d @86399 +%Y-%m-%dT%H:%M:%S
t base64 text
s 'base64 text | base64 -d | cmp - text'
t sleep 0.01
t uname
t id -u
t whoami
t nice true
t timeout 0.1 sleep 5
s 'timeout -s KILL 0.1 sleep 5; echo $?'
t pwd

t mkdir -p a/b/c d
t mkdir a
t touch a/1 a/2 a/b/3
t touch -d @1000000 a/1
t cp -r a copy
t cp -p a/1 a/kept
t mv a/2 a/moved
t mv a/b d
t ln a/1 a/hard
t ln -s ../text a/soft
t ln -s nowhere a/dangling
t readlink a/soft
t readlink -f a/soft
t realpath a/../a/soft
t ls -A a copy d
t ls -1F a
s 'stat -c "%n %s %f %h %a %F" a/1 a/soft text; stat -c "%n %f %h %F" a a/b'
s 'stat -c "%y" a/1'
t cat a/soft
t cat a/dangling
t chmod 640 text
t chmod u+x,g-r text
s 'stat -c %a text'
t chown 12:34 text
s 'stat -c "%u %g" text'
t chown 0:0 text
t cmp a/1 copy/1
t rmdir a
t rm a
t rm a/dangling
t rm -r a copy
s 'find . -type f | sort'
s 'find . -name "*x*" -newer numbers | sort'
s 'find . -type d -exec echo dir {} \;'
s 'find . -type f | xargs wc -c | tail -n 1'
s 'find . -size +50k'
s 'find . -type f -print0 | xargs -0 -n 1 basename | sort'
s 'du -a --apparent-size . 2>/dev/null | wc -l'
s 'dd if=zeroes of=out bs=1000 count=7 2>/dev/null; wc -c out'
s 'dd if=text of=out bs=10 seek=3 skip=2 count=2 conv=notrunc 2>/dev/null; cksum out'
s 'dd if=/dev/zero bs=1 count=0 seek=1000000 of=sparse 2>/dev/null; wc -c sparse'
s 'truncate -s 5000 sparse; wc -c sparse; truncate -s 0 sparse; wc -c sparse'
t mktemp -u -d /tmp/p/XXXXXX-no -p /none
s 'mktemp /tmp/p/tmp.XXXXXX | wc -c'
s 'mkfifo fifo; (cat text > fifo &); cksum < fifo; rm fifo'
s 'mkfifo fifo; ls -l fifo | cut -c 1; rm fifo'
s 'tee one two < text | cmp - text; cmp one two'
s 'install -m 700 text installed 2>/dev/null && stat -c %a installed'
s 'sync; echo synced'
s 'df /tmp > /dev/null; echo $?'
s 'tty < /dev/null'
s 'nohup true < /dev/null'

t grep -c 7 text
t grep -n 'line 1[0-3]' text
t grep -v -e line text
t grep -E '(1|2)3 of' text
t grep -o 'of the [a-z]*' text
s 'grep -rl "line 3" . | sort'
t grep -q nothing text
t sed -n '3,5p;$p' text
t sed -e 's/\(line\) \([0-9]*\)/\2 \1/' -e 10q text
s 'cp text edit; sed -i -e "/1/d" edit; wc -l edit'
s 'sed -e "y/abc/xyz/;5,\$d" text'
t awk '{ sum += $2 } END { print sum, NR }' text
t awk -F, 'NR % 10 == 0 { printf "%s;%d\n", $1, length($0) }' text
t awk 'BEGIN { while ((getline line < "numbers") > 0) n++; print n; "echo piped" | getline x; print x; print substr("hello", 2, 3), index("abc", "c"), toupper("up"); exit 3 }'
s 'echo "3 4" | awk "{ print \$1 ^ \$2, int(7.9), sprintf(\"%05.2f\", 3.14159) }"'
s 'sed s/7/seven/ text > changed; diff text changed'
s 'diff -u text text; echo same $?'
s 'diff -u text changed | tail -n +3 | cksum'

for pack in gzip bzip2 xz; do
	s "$pack -c text > packed && $pack -dc packed | cmp - text; echo \$?"
	s "$pack -c zeroes | $pack -d | cmp - zeroes; echo \$?"
	s "cp text file; $pack file; ls file.*; $pack -d file.*; cmp file text"
	s "echo broken | $pack -dc > /dev/null 2>&1; echo \$?"
done
s 'mkdir tree; cp text tree/x; ln -s x tree/y; ln tree/x tree/z; tar --sort=name -cf t.tar tree 2> /dev/null || tar cf t.tar tree; tar tf t.tar | sort'
s 'mkdir u; tar xf t.tar -C u; ls u/tree; cmp u/tree/z text; readlink u/tree/y'
s 'tar czf t.tgz tree numbers; tar tzf t.tgz | sort; tar xzOf t.tgz numbers | cmp - numbers'
s 'tar cf - tree | (cd u; tar xf -); ls u'

s 'echo "a   b" c | while read -r x y z; do echo "$x-$y-$z"; done'
s 'exec 3> three; echo to three >&3; exec 3>&-; cat three'
s 'cat <<E1; cat <<"E2"
one $((1 + 1)) $TZ
E1
two $TZ
E2'
s '(echo out; echo err >&2) 2>&1 > /dev/null'
s 'set -- a b c; for x; do echo $x; done; shift 2; echo $# $1'
s 'f() { local v=1; echo "f $1 $v"; return 7; }; f x; echo $?'
s 'case word in w*d) echo yes;; *) echo no;; esac'
s 'x=abc.def.ghi; echo ${x%.*} ${x%%.*} ${x#*.} ${x##*.} ${#x} ${y:-none} ${x:+set}'
s 'trap "echo trapped" EXIT USR1; kill -USR1 $$; echo after'
s 'sleep 5 & kill $!; wait $!; echo $?'
s 'sh -c "kill -SEGV \$\$"; echo $?'
s 'sleep 0.05 & sleep 0.02 & wait; echo waited'
s 'echo $(echo $(echo deep)) `echo back`'
s 'false || true && echo chain; ! false; echo $?'
s '{ echo 1; echo 2; } | { read a; read b; echo $b$a; }'
s 'i=0; until [ $i -ge 3 ]; do i=$((i+1)); [ $i = 2 ] && continue; echo $i; done'
s 'cd /; pwd; cd -; cd /nowhere'
s 'echo * | wc -w; echo /et[c] /dev/nul? /none*'
s 'umask 077; : > private; stat -c %a private'
s 'ulimit -n 50; ulimit -n'
s 'eval "echo \$TZ"; command -v nothing; type cd > /dev/null && echo cd'
s 'printf "#!/bin/sh\necho script \$0 \$1\n" > script; chmod +x script; ./script one'
s './text; /etc; /none; echo $?'
s 'cat /none; cat < /none'
s 'set -e; false; echo never'
s 'set -u; echo $undefined_name'
s 'cat numbers | tee >(cat > /dev/null) 2> /dev/null | tail -n 1; true'
s 'seq 100000 | gzip | gzip -d | awk "{ s += \$1 } END { print s }"'
s 'cat /proc/self/comm; readlink /proc/self/fd/0 < /dev/null; ls /proc/self/task | wc -l'
s 'tr "\0" " " < /proc/self/cmdline; echo'
s 'grep -c . /proc/self/maps > /dev/null; echo $?; grep ^Name /proc/self/status; cut -d " " -f 2 /proc/self/stat'
s 'test -c /dev/null -a -c /dev/zero -a -c /dev/urandom -a -d /dev/pts; echo $?'
s 'echo gone > /dev/null; head -c 8 /dev/zero | od -A n -t x1; head -c 100 /dev/urandom | wc -c; echo x > /dev/full; echo $?'
cd / && rm -rf /tmp/p
t ls /tmp/p

# Access control lists, where the tools for them are.
if command -v setfacl > /dev/null; then
	mkdir /dev/shm/lists && cd /dev/shm/lists
	s 'umask 077; mkdir d; setfacl -d -m u:1000:rwx,g:200:rx d; echo x > d/file; mkdir d/sub; find d | sort | getfacl -'
	s 'setfacl -m u:7:r d/file; ls -l d | tr -s " " | cut -d " " -f 1,9; ls -ld d | cut -c 1-11'
	s 'chmod 640 d/file; getfacl -n d/file; setfacl -m m::rwx d/file; stat -c %a d/file'
	s 'cp -a d copy; find copy | sort | getfacl -n -; cp d/file plain; ls -l plain | cut -c 1-11'
	s 'tar --acls -cf t.tar d; mkdir u; tar --acls -xf t.tar -C u; find u/d | sort | getfacl -n -'
	s 'find d | sort | getfacl - > saved; setfacl -R -b d; setfacl -k d; find d | sort | getfacl -; setfacl --restore=saved; getfacl -n d/sub'
	s 'setfacl -x u:7 d/file; setfacl -m u:1000: d/file; getfacl -n d/file; setfacl -m q:1:r d/file; setfacl -m u:1:rwz d/file'
	cd / && rm -r /dev/shm/lists
fi
