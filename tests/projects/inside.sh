# What the commands of projects.toml use inside. Its directory is /projects; the project's tree is the working directory.
LC_ALL=C
export LC_ALL
TIME_LIMIT=${TIME_LIMIT:-120}

# part NAME: the tests that follow are NAME/...
part() { echo "@@ $1"; }

# check NAME COMMAND...: one test, which the exit status judges (77 skips); what it said is shown when it fails.
check() {
	name=$1
	shift
	timeout -k 5 "$TIME_LIMIT" "$@" > /tmp/check.out 2>&1 < /dev/null
	case $? in
	0) echo "PASS: $name" ;;
	77) echo "SKIP: $name" ;;
	*)
		echo "FAIL: $name (status $?)"
		tail -n 30 /tmp/check.out | sed 's/^/  | /'
		;;
	esac
}

# tap NAME COMMAND...: a program that prints TAP is a part.
tap() {
	part "$1"
	shift
	timeout -k 5 "$TIME_LIMIT" "$@" 2>&1 < /dev/null || echo "@! $?"
	part ""
}
