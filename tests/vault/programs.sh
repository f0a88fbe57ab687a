# Runs in a sub-kernel whose root, Debian's, lies over a vault: checks what earlier runs of it left of a database, a repository and a
# package, LAST being the last round that was known to be synced, then changes all three at once, round by round, until it is killed.
export DEBIAN_FRONTEND=noninteractive LC_ALL=C HOME=/root PATH=/extra:$PATH
export GIT_CONFIG_COUNT=4 GIT_CONFIG_KEY_0=user.name GIT_CONFIG_VALUE_0=t GIT_CONFIG_KEY_1=user.email GIT_CONFIG_VALUE_1=t@t \
	GIT_CONFIG_KEY_2=gc.auto GIT_CONFIG_VALUE_2=0 GIT_CONFIG_KEY_3=core.fsync GIT_CONFIG_VALUE_3=all
bad() { echo "bad:" "$@"; }
mkdir -p /work
cd /work
installed() { dpkg-query -W -f '${db:Status-Status} ${Version}' kept 2>/dev/null; }

# ---- What is there ----
if [ "$LAST" != 0 ]; then
	whole=$(sqlite3 base 'pragma integrity_check' 2>&1)
	[ "$whole" = ok ] || bad "the database: $whole"
	most=$(sqlite3 base 'select max(n) from t' 2>&1)
	[ "$most" -ge "$LAST" ] || bad "the database ends with $most, $LAST was committed"
	[ "$(sqlite3 base 'select count(*) from t where v is not n * 7' 2>&1)" = 0 ] || bad "the database has half a transaction"
	found=$(git -C repository fsck --full --strict 2>&1) || bad "the repository:" $found
	git -C repository log --format=%s 2>/dev/null | grep -qx "$LAST" || bad "commit $LAST is not there"
	rm -f repository/.git/*.lock repository/.git/refs/heads/*.lock # of who was killed, as git says itself
	git -C repository reset -q --hard || bad "the repository cannot be used on"
	for file in repository/f*; do
		[ "$(sort -u "$file" | wc -l)" = 1 ] || bad "$file is there in part"
	done
	before=$(installed)
	# A package may be half there, which dpkg knows, and mends by installing it: until then it may not let it be configured.
	dpkg --configure -a >/tmp/log 2>&1 || [ "$(dpkg-query -W -f '${db:Status-Eflag}' kept)" = reinstreq ] || bad "dpkg --configure -a:" $(tail -3 /tmp/log)
	dpkg -i /packages/kept_$((LAST % 2 + 1)).deb >/tmp/log 2>&1 || bad "dpkg -i after $before:" $(tail -3 /tmp/log)
	[ "$(installed)" = "installed $((LAST % 2 + 1))" ] || bad "the package is $(installed)"
	[ -z "$(dpkg --audit 2>&1)" ] || bad "dpkg --audit:" $(dpkg --audit 2>&1)
	[ -z "$(dpkg --verify kept 2>&1)" ] || bad "files of the package:" $(dpkg --verify kept 2>&1 | head -3)
	apt-get check >/tmp/log 2>&1 || bad "apt-get check:" $(tail -3 /tmp/log)
else
	sqlite3 base 'create table t (n integer primary key, v integer)' || bad "no database can be made"
	git init -q --template= repository || bad "no repository can be made"
	sync
fi
echo "checked $LAST"

# ---- More of it ----
database() { sqlite3 -bail base "pragma synchronous = extra; begin; insert or replace into t values ($1, 0); update t set v = n * 7 where n = $1; commit" >/tmp/log.base 2>&1; }
repository() {
	for file in 0 1 2 3; do for line in 1 2 3 4 5 6 7 8; do echo "$1"; done >repository/f$((($1 + file) % 9)); done
	{ git -C repository add . && git -C repository commit -q --allow-empty -m "$1"; } >/tmp/log.git 2>&1
}
package() {
	if [ $(($1 % 3)) = 0 ]; then
		apt-get install -q -y --no-install-recommends --allow-downgrades /packages/kept_$(($1 % 2 + 1)).deb >/tmp/log.package 2>&1
	else
		dpkg -i /packages/kept_$(($1 % 2 + 1)).deb >/tmp/log.package 2>&1
	fi
}
n=$((LAST + 1))
while :; do
	database $n & one=$!
	repository $n & two=$!
	package $n
	three=$?
	wait $one && wait $two && [ $three = 0 ] && sync || { echo "ended in round $n:" $(tail -qn 1 /tmp/log.*); exit 1; }
	echo "synced $n"
	n=$((n + 1))
done
