#!/bin/sh
# Runs inside a sub-kernel whose root is the profile "debian": dpkg and apt-get with local packages, dependencies, triggers,
# configuration files, failing scripts and removal. One line a check.
same() { if [ "$2" = "$3" ]; then echo "ok packages: $1"; else echo "not ok packages: $1 - expected '$2', got '$3'"; fi; }
export DEBIAN_FRONTEND=noninteractive LC_ALL=C
state() { dpkg-query -W -f '${db:Status-Status}' "$1" 2> /dev/null || echo none; }
make_package() { # NAME, VERSION, then further lines of control; the files are in /tmp/p/NAME
	name=$1 version=$2
	shift 2
	mkdir -p "/tmp/p/$name/DEBIAN"
	{
		printf 'Package: %s\nVersion: %s\nArchitecture: all\nMaintainer: nobody <nobody@example.org>\nDescription: a test\n' "$name" "$version"
		for line; do echo "$line"; done
	} > "/tmp/p/$name/DEBIAN/control"
	dpkg-deb --root-owner-group -b "/tmp/p/$name" "/tmp/p/${name}_$version.deb" > /dev/null
}
script() { mkdir -p "/tmp/p/$1/DEBIAN"; printf '#!/bin/sh\n%s\n' "$3" > "/tmp/p/$1/DEBIAN/$2"; chmod 755 "/tmp/p/$1/DEBIAN/$2"; }

same "every package of the root is configured" "" "$(dpkg --audit)"
same "the maintainer scripts ran: users have passwords of their own file" root:shadow:640 "$(stat -c %U:%G:%a /etc/shadow)"
same "alternatives are set" /usr/bin/mawk "$(readlink -f /usr/bin/awk)"
same "the loader's cache is there" yes "$(ldconfig -p | grep -q libc.so.6 && echo yes)"

mkdir -p /tmp/p/base/usr/share/base /tmp/p/base/etc
echo one > /tmp/p/base/etc/base.conf
echo /etc/base.conf > /tmp/conffiles
script base postinst 'case "$1" in triggered) echo "$2" >> /var/lib/base-triggered;; configure) echo "configured $2" >> /var/lib/base-log;; esac'
script base prerm 'echo "prerm $1" >> /var/lib/base-log'
cp /tmp/conffiles /tmp/p/base/DEBIAN/conffiles
echo 'interest /usr/share/base' > /tmp/p/base/DEBIAN/triggers
make_package base 1.0
mkdir -p /tmp/p/user/usr/share/base /tmp/p/user/usr/bin
echo data > /tmp/p/user/usr/share/base/from-user
printf '#!/bin/sh\necho hello from user\n' > /tmp/p/user/usr/bin/user-hello
chmod 755 /tmp/p/user/usr/bin/user-hello
make_package user 1.0 'Depends: base (>= 1.0)'
make_package broken 1.0
script broken2 postinst 'exit 7'
make_package broken2 1.0
make_package lonely 1.0 'Depends: no-such-package'

dpkg -i /tmp/p/user_1.0.deb > /tmp/log 2>&1
same "dpkg -i without a dependency fails" 1 $?
same "and leaves it unpacked" unpacked "$(state user)"
dpkg -i /tmp/p/base_1.0.deb > /tmp/log 2>&1
same "dpkg -i of the dependency" 0 $?
dpkg --configure -a > /tmp/log 2>&1
same "configures what waited" installed "$(state user)"
dpkg -P user > /tmp/log 2>&1 && rm -f /var/lib/base-triggered
same "a package is purged" none "$(state user)"
apt-get install -q -y --no-install-recommends /tmp/p/user_1.0.deb > /tmp/log 2>&1
same "apt-get install ./local.deb" 0 $?
same "its program runs" "hello from user" "$(user-hello)"
same "the trigger of another package ran" /usr/share/base "$(sort -u /var/lib/base-triggered)"
dpkg -P user base > /tmp/log 2>&1
apt-get install -q -y --no-install-recommends /tmp/p/user_1.0.deb /tmp/p/base_1.0.deb > /tmp/log 2>&1
same "apt-get install with a local dependency" "installed installed" "$(state user) $(state base)"
apt-get install -q -y /tmp/p/lonely_1.0.deb > /tmp/log 2>&1
same "an impossible dependency is refused" 100 $?
same "and says which" yes "$(grep -q no-such-package /tmp/log && echo yes)"
dpkg -i /tmp/p/broken2_1.0.deb > /tmp/log 2>&1
same "a failing script fails the installation" "1 half-configured" "$? $(state broken2)"
dpkg --remove broken2 > /tmp/log 2>&1
same "and the package can be removed" none "$(state broken2)"
echo mine > /etc/base.conf
echo two > /tmp/p/base/etc/base.conf
make_package base 2.0
apt-get install -q -y -o Dpkg::Options::=--force-confold /tmp/p/base_2.0.deb > /tmp/log 2>&1
same "an upgrade keeps a changed configuration file" "0 mine 2.0" "$? $(cat /etc/base.conf) $(dpkg-query -W -f '${Version}' base)"
same "and told the script from which version" "configured 1.0" "$(tail -n 1 /var/lib/base-log)"
dpkg -P user base > /tmp/log 2>&1
same "purged, the file goes" "0 none" "$? $([ -e /etc/base.conf ] && echo there || echo none)"

# libc-bin's own trigger: a library in the loader's path.
mkdir -p /tmp/p/library/usr/lib/x86_64-linux-gnu
cp /usr/lib/x86_64-linux-gnu/libz.so.1 /tmp/p/library/usr/lib/x86_64-linux-gnu/libtriggered.so.1
echo 'activate-noawait ldconfig' > /tmp/library-triggers
mkdir -p /tmp/p/library/DEBIAN && cp /tmp/library-triggers /tmp/p/library/DEBIAN/triggers
make_package library 1.0
dpkg -i /tmp/p/library_1.0.deb > /tmp/log 2>&1
same "ldconfig's trigger is processed" yes "$(grep -q 'Processing triggers for libc-bin' /tmp/log && echo yes)"
same "the database of packages is whole" "" "$(dpkg --audit)"
echo "ok packages: the end was reached"
