# Runs inside a Linux sub-kernel whose root is the profile "windows": Windows programs below Wine, here and in sub-kernels of the
# profile.
. /tests/library.sh
cd /tests || exit 1
# Wine's services start with the first program and end with the last: one that waits keeps them.
sleep 1000 | wine cmd > /tmp/waiting 2>&1 &
CONSOLE="a b" wine console.exe one "two three" 'a"b' > /tmp/parts
same "a program's status when all is well" 17 $?
tr -d '\r' < /tmp/parts | grep -E '^(not )?ok '
same "all parts were tried" 21 "$(grep -c '^ok ' /tmp/parts)"
same "a program's status" 5 "$(status wine console.exe exit 5)"
wine cmd /c 'echo one& exit 9' > /tmp/output
same "cmd: a line of commands" "9 one" "$? $(tr -d '\r' < /tmp/output)"
# On a terminal, as a person has it: what is typed runs, and cmd's own variables and loops work.
shows() { wait_until "grep -q '$1' /tmp/typescript"; }
typed() {
	shows 'Z:.tests>'
	printf 'set A=40\recho A is %%A%%2\r'
	shows 'A is 402'
	printf 'for %%i in (x y) do @echo item %%i\r'
	shows 'item y'
	printf 'exit 9\r'
}
same "cmd on a terminal: its status" 9 "$(typed | status script -qfec "wine cmd" /tmp/typescript)"
check "cmd on a terminal: variables" grep -q 'A is 402' /tmp/typescript
check "cmd on a terminal: loops" grep -q 'item y' /tmp/typescript
if [ -e esbuild.exe ]; then
	printf 'import {add} from "./add.js";\nconsole.log("sum", add(2, 40));\n' > main.js
	printf 'export function add(a, b) { return a + b; }\nexport function unused() { return "never"; }\n' > add.js
	same "esbuild bundles a project" 0 "$(status wine esbuild.exe --bundle --minify main.js --outfile=out.js)"
	check "esbuild's bundle holds both files" grep -q 'console.log("sum",' out.js
	check "esbuild's bundle leaves out what is not used" sh -c '! grep -q never out.js'
fi
same "profile windows: a program of the caller's" 6 "$(status subkernel run -m 700M --profile windows console.exe exit 6)"
subkernel run -m 700M --profile windows cmd /c 'echo below& exit 3' > /tmp/output
same "profile windows: one of the image's" "3 below" "$? $(tr -d '\r' < /tmp/output)"
echo "ok windows: the end was reached"
