# Debian's network programs over the loopback: sourced by a shell in the guest. Its output must be the same on Linux and on
# Holon, so it shows no times, ports chosen by the system, process numbers or sizes of queues.
s() { echo "== $1"; sh -c "$1" 2>&1; echo "-- $?"; }
# Waits until TCP port $1 is listened on.
ready() { for i in $(seq 1 200); do ss -Htln "sport = :$1" 2> /dev/null | grep -q . && return; sleep 0.1; done; echo "nobody listens on $1"; }
export TZ=UTC LC_ALL=C HOME=/root
rm -rf /tmp/n && mkdir -p /tmp/n/www && cd /tmp/n || exit 1
seq 1 50000 > www/numbers
echo '<p>hello</p>' > www/index.html

s 'ip -o addr show dev lo | tr -s " " | cut -d " " -f 2-4'
s 'ip -o link show dev lo | grep -o "LOOPBACK,UP,LOWER_UP"'
s 'ip route get 127.0.0.1 | head -n 1 | cut -d " " -f 1-6'
s 'ip addr add 127.1.2.3/32 dev lo && ip -4 -o addr show dev lo | grep -c inet; ip addr del 127.1.2.3/32 dev lo'
s 'ip addr add 10.1.2.3/24 dev lo; ping -c 1 -q 10.1.2.3 | grep -c "1 received"; ip addr del 10.1.2.3/24 dev lo'
s 'ip link show dev nosuch'
s 'ping -c 3 -i 0.2 127.0.0.1 | grep -o ".* packets transmitted, .* received, .* loss"'
s 'ping -6 -c 2 -i 0.2 ::1 | grep -o ".* packets transmitted, .* received, .* loss"'
s "python3 -c 'import socket; print(sorted({a[4][0] for a in socket.getaddrinfo(\"localhost\", 80)}))'"
cat > down.py <<'END'
import errno, socket
for what in ("connect", "sendto"):
    for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        one = socket.socket(family, socket.SOCK_STREAM if what == "connect" else socket.SOCK_DGRAM)
        one.settimeout(1)
        try:
            one.connect((address, 9)) if what == "connect" else one.sendto(b"", (address, 9))
            print(what, address, "ok")
        except OSError as error:
            print(what, address, errno.errorcode.get(error.errno, "time is over"))
END
s 'ip link set lo down; python3 down.py; ip link set lo up; python3 down.py'

s "curl -sS http://127.0.0.1:1/ 2>&1 | sed s/after.*ms//"
s 'cat /sys/class/net/lo/address /sys/class/net/lo/flags'
s 'ls -d /sys/class/net/lo'
s 'head -n 2 /proc/net/dev'

(cd www && exec python3 -m http.server 8000 --bind 127.0.0.1 > /dev/null 2>&1) &
ready 8000
s 'curl -sS http://127.0.0.1:8000/index.html'
s 'curl -sS http://127.0.0.1:8000/numbers | cmp - www/numbers'
s 'curl -sS -o /dev/null -w "%{http_code} %{size_download}\n" http://localhost:8000/numbers'
s 'curl -sS -r 10-19 http://127.0.0.1:8000/numbers | cksum'
s 'wget -q -O - http://127.0.0.1:8000/index.html'
s 'ss -Htln "sport = :8000" | tr -s " " | cut -d " " -f 1,2,4'
s 'for i in $(seq 1 8); do curl -sS http://127.0.0.1:8000/numbers | cksum & done; wait'
kill %1

cat > python.py << 'END'
import asyncio, selectors, socket, socketserver, threading
class Echo(socketserver.StreamRequestHandler):
    def handle(self):
        for line in self.rfile:
            self.wfile.write(line.upper())
server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Echo)
threading.Thread(target=server.serve_forever, daemon=True).start()
with socket.create_connection(server.server_address) as client:
    client.sendall(b"one\ntwo\n")
    client.shutdown(socket.SHUT_WR)
    print(client.makefile().read())
server.shutdown()
a, b = socket.socket(socket.AF_INET, socket.SOCK_DGRAM), socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
a.bind(("127.0.0.1", 0))
b.connect(a.getsockname())
b.send(b"datagram")
print(a.recvfrom(100)[0])
print(socket.getaddrinfo("localhost", 80, type=socket.SOCK_STREAM)[0][4][0] in ("127.0.0.1", "::1"))
print([name for _, name in socket.if_nameindex() if name == "lo"])
async def handle(reader, writer):
    data = await reader.readexactly(1000000)
    writer.write(bytes(reversed(data)))
    await writer.drain()
    writer.close()
async def main():
    server = await asyncio.start_server(handle, "::1", 0)
    port = server.sockets[0].getsockname()[1]
    async def one(n):
        reader, writer = await asyncio.open_connection("::1", port)
        writer.write(bytes([n]) * 1000000)
        return len(await reader.read())
    total = 0
    for part in [one(n) for n in range(1)]: total += await part
    print(len(await asyncio.gather(*[asyncio.open_connection("::1", port) for _ in range(50)])))
    server.close()
asyncio.run(main())
END
s 'timeout 60 python3 python.py'

redis-server --port 6379 --bind 127.0.0.1 --save '' --daemonize no > /dev/null 2>&1 &
ready 6379
s 'redis-cli ping'
s 'redis-cli set key value; redis-cli get key; redis-cli incr n; redis-cli incr n'
s 'seq 1 5000 | sed "s/.*/SET k& v&/" | redis-cli --pipe | tail -n 1'
s 'redis-cli dbsize'
s 'redis-benchmark -n 1000 -c 20 -q -t set,get | tr "\r" "\n" | grep -c "requests per second"'
s 'redis-cli shutdown nosave; wait; redis-cli ping'

cat > nginx.conf << 'END'
worker_processes 2; daemon off; error_log /dev/null; pid /tmp/n/nginx.pid;
events { worker_connections 256; }
http { access_log off; client_body_temp_path /tmp/n; proxy_temp_path /tmp/n; fastcgi_temp_path /tmp/n; uwsgi_temp_path /tmp/n; scgi_temp_path /tmp/n;
server { listen 127.0.0.1:8080; listen [::1]:8080; root /tmp/n/www; sendfile on; tcp_nopush on;
location /proxy/ { proxy_pass http://127.0.0.1:8080/; } } }
END
nginx -c /tmp/n/nginx.conf > nginx.log 2>&1 &
ready 8080
s 'curl -sS http://127.0.0.1:8080/'
s 'curl -sS "http://[::1]:8080/numbers" | cmp - www/numbers'
s 'curl -sS http://127.0.0.1:8080/proxy/numbers | cmp - www/numbers'
s 'curl -sS -o /dev/null -w "%{http_code}\n" http://127.0.0.1:8080/missing'
s 'for i in $(seq 1 8); do curl -sS http://127.0.0.1:8080/numbers | cksum & done; wait'
s 'kill $(cat nginx.pid); sleep 1; curl -sS http://127.0.0.1:8080/ 2>&1 | sed s/after.*ms//; cat nginx.log'

openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -days 3650 -subj /CN=localhost > /dev/null 2>&1
openssl s_server -accept 4433 -key key.pem -cert cert.pem -www > /dev/null 2>&1 &
ready 4433
s 'echo | openssl s_client -connect 127.0.0.1:4433 -CAfile cert.pem 2> /dev/null | grep -E "^ *(Verify return code|Protocol)" | head -n 1'
s 'curl -sS --cacert cert.pem https://localhost:4433/ | grep -o "s_server" | head -n 1'
kill %%

iperf3 -s -1 -p 5201 > /dev/null 2>&1 &
ready 5201
s 'iperf3 -c 127.0.0.1 -p 5201 -t 1 -J | grep -c "\"retransmits\""'
iperf3 -s -1 -p 5202 > /dev/null 2>&1 &
ready 5202
s 'iperf3 -c 127.0.0.1 -p 5202 -u -b 10M -t 1 -J | grep -o "\"lost_packets\":.[0-9]*" | sort -u'

mkdir -p /root/.ssh /etc/dropbear && chmod 700 /root /root/.ssh
dropbearkey -t ed25519 -f host.key > /dev/null 2>&1
dropbearkey -t ed25519 -f user.key 2> /dev/null | grep ^ssh- > /root/.ssh/authorized_keys
dropbear -F -r host.key -p 127.0.0.1:2222 > dropbear.log 2>&1 &
ready 2222
s 'dbclient -y -i user.key -p 2222 root@127.0.0.1 "echo from inside; cat" < www/index.html 2> /dev/null'
s 'dbclient -y -i user.key -p 2222 root@127.0.0.1 "cat" < www/numbers 2> /dev/null | cmp - www/numbers'
s 'nc -z 127.0.0.1 2222; nc -z 127.0.0.1 2223'
s 'printf "hello\n" | nc -N 127.0.0.1 2222 | head -c 8; echo'
kill %%
s 'for f in tcp tcp6 udp udp6 raw route if_inet6 snmp sockstat unix arp; do test -r /proc/net/$f && echo $f; done'
