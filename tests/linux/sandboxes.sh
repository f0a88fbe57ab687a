# Debian's programs that make and enter namespaces, as root and as an ordinary user. Its output must be the same on Linux and
# on Holon, so it shows no numbers of namespaces. On Linux the first root cannot be pivoted: all runs in another one.
if [ "$1" != inside ]; then
	mkdir -p /other && mount --rbind / /other && cd /other && mount --move . / &&
		exec chroot . bash /sandboxes.sh inside
fi
export TZ=UTC LC_ALL=C PATH=/usr/sbin:/usr/bin:/sbin:/bin
cd /tmp || exit 1
s() { echo "== $1"; bash -c "$1" 2>&1; echo "-- $?"; }
u() { echo "== user: $1"; setpriv --reuid 1000 --regid 1000 --clear-groups bash -c "$1" 2>&1; echo "-- $?"; }
mkdir -p /tmp/dir && chmod 777 /tmp/dir

u 'unshare -U id -u'
u 'unshare -Ur id'
u 'unshare -Ur cat /proc/self/uid_map /proc/self/gid_map /proc/self/setgroups'
u 'unshare -Ur --map-users=0,1000,1 id -u'
u 'unshare -r setpriv --dump | grep -i -e uid -e gid -e securebits'
u 'unshare -r grep Cap /proc/self/status'
u 'unshare -r mount -t tmpfs none /tmp/dir; echo $?'
u 'unshare -rm sh -c "mount -t tmpfs none /tmp/dir && touch /tmp/dir/x && ls /tmp/dir"; ls /tmp/dir'
u 'unshare -rm sh -c "mount --bind /usr /tmp/dir && ls -d /tmp/dir/bin; mount -o remount,bind,ro /tmp/dir && touch /tmp/dir/x"'
u 'unshare -rm umount /proc'
u 'unshare -ru sh -c "echo inner > /proc/sys/kernel/hostname; uname -n"'
u 'unshare -rpf --mount-proc sh -c "echo \$\$; ps -o pid,ppid,comm"'
u 'unshare -rpf --mount-proc --kill-child sh -c "sleep 100 & exec sleep 0.1"'
u 'unshare -rn cat /proc/net/dev | cut -d: -f1 | tail -n +3'
u 'unshare -ri ipcs -q | tail -n +3'
u 'unshare -r unshare -r unshare -r id -u'
u 'unshare -rm --propagation shared sh -c "grep -c shared: /proc/self/mountinfo | sed s/[1-9][0-9]*/some/"'
u 'unshare -rmpf sh -c "mount -t proc proc /proc && cat /proc/1/comm"'
u 'cat /proc/1/ns/mnt; readlink /proc/1/ns/mnt | cut -d: -f1'
u 'unshare -m true'
u 'unshare -r cat /etc/shadow- /root/none'
s 'unshare -m sh -c "mount -t tmpfs none /tmp/dir && touch /tmp/dir/y && ls /tmp/dir"; ls /tmp/dir'
s 'unshare -u sh -c "echo changed > /proc/sys/kernel/hostname; uname -n"; uname -n | grep -c changed'
s 'unshare -pf --mount-proc sh -c "echo \$\$; ps -o pid,ppid,comm"'
s 'unshare -pf --mount-proc bash -c "kill -9 1; kill 1; echo lives"'
s 'unshare --fork --pid sh -c "readlink /proc/self | grep -c ^1$"'
s 'unshare -n sh -c "cat /proc/net/dev | cut -d: -f1 | tail -n +3"'
s 'unshare -u sh -c "echo entered > /proc/sys/kernel/hostname; exec sleep 100" & until [ "$(cat /proc/$!/comm)" = sleep ]; do sleep 0.1; done; nsenter -t $! -u uname -n; kill $!'
s 'unshare -mupf --mount-proc sh -c "echo e2 > /proc/sys/kernel/hostname; exec sleep 1234" 2> /dev/null & until p=$(pgrep -fx "sleep 1234"); do sleep 0.1; done; nsenter -t $p -a sh -c "uname -n; cat /proc/1/comm; ps -o pid,comm"; kill -9 $p'
s 'mount --bind /tmp/dir /tmp/dir && mount --make-private /tmp/dir && touch /tmp/dir/ns && unshare --uts=/tmp/dir/ns sh -c "echo kept > /proc/sys/kernel/hostname"; nsenter --uts=/tmp/dir/ns uname -n; umount /tmp/dir/ns; umount /tmp/dir'
s 'lsns -n -o TYPE -p $$ | sort'
b='bwrap --ro-bind / / --unshare-all --proc /proc --dev /dev'
for run in s u; do
	$run "$b id -u"
	$run "$b sh -c 'echo \$\$; ps -o comm'"
	$run "$b ls /dev"
	$run "$b sh -c 'echo x > /usr/x; echo x > /dev/null; head -c 3 /dev/zero | wc -c'"
	$run "$b --hostname sandbox uname -n"
	$run "$b --tmpfs /tmp sh -c 'touch /tmp/a; ls /tmp'"
	$run "$b --uid 7 --gid 8 id"
	$run "$b --die-with-parent --new-session sh -c 'exit 3'"
	$run "$b --bind /tmp/dir /tmp/dir sh -c 'echo kept > /tmp/dir/kept'; cat /tmp/dir/kept; rm -f /tmp/dir/kept"
	$run "$b --symlink usr/x /tmp/link --dir /tmp/new --setenv A b sh -c 'echo \$A'"
	$run "$b cut -d: -f1 /proc/net/dev | tail -n +3"
	$run "$b sh -c 'cat /proc/self/uid_map | tr -s \" \"; grep CapEff /proc/self/status'"
	$run "$b $b id -u"
	$run "bwrap --ro-bind /usr /usr --symlink usr/lib /lib --symlink usr/lib64 /lib64 --symlink usr/bin /bin --proc /proc --unshare-pid ls /"
	$run "bwrap --ro-bind / / --cap-add ALL --unshare-user --unshare-net sh -c 'grep CapEff /proc/self/status'"
	$run "bwrap --ro-bind /nothing / true"
done
s 'unshare -T --boottime 500000000 -f cut -c1-3 /proc/uptime; cut -d. -f1 /proc/uptime | wc -c | sed "s/[2-5]/few/"'
s 'unshare -T --monotonic 700000000 -f bash -c "cat /proc/self/timens_offsets; nsenter -t \$\$ -T cat /proc/self/timens_offsets"'
u 'unshare -rT --monotonic 700000000 -f cat /proc/self/timens_offsets; unshare -T true'
s 'cd /sys/fs/cgroup 2> /dev/null && [ -e cgroup.procs ] || mount -t cgroup2 none /sys/fs/cgroup; cd /sys/fs/cgroup; mkdir -p s/a; bash -c "echo 0 > s/a/cgroup.procs; unshare -C cat /proc/self/cgroup; cat /proc/self/cgroup"; rmdir s/a s'
