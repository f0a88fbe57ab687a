from math import sqrt
pi = 3.141592653589793
solar = 4 * pi * pi
year = 365.24
class Body:
    __slots__ = ("x","y","z","vx","vy","vz","mass")
    def __init__(self, x,y,z,vx,vy,vz,mass):
        self.x=x;self.y=y;self.z=z;self.vx=vx;self.vy=vy;self.vz=vz;self.mass=mass
bodies = [
 Body(0.0,0.0,0.0,0.0,0.0,0.0,solar),
 Body(4.84143144246472090,-1.16032004402742839,-0.103622044471123109,0.00166007664274403694*year,0.00769901118419740425*year,-0.0000690460016972063023*year,0.000954791938424326609*solar),
 Body(8.34336671824457987,4.12479856412430479,-0.403523417114321381,-0.00276742510726411*year,0.00499852801234917238*year,0.0000230417297573763929*year,0.000285885980666130812*solar),
 Body(12.8943695621391310,-15.1111514016986312,-0.223307578892655734,0.00296460137564761618*year,0.00237847173959480950*year,-0.0000296589568540237556*year,0.0000436624404335156298*solar),
 Body(15.3796971148509165,-25.9193146099879641,0.179258772950371181,0.00268067772490389322*year,0.00162824170038242295*year,-0.0000951592254519715870*year,0.0000515138902046611451*solar),
]
def advance(bodies, n, dt):
    for i in range(n):
        b = bodies[i]
        bx, by, bz, bm = b.x, b.y, b.z, b.mass
        vx, vy, vz = b.vx, b.vy, b.vz
        for j in range(i+1, n):
            c = bodies[j]
            dx = bx - c.x; dy = by - c.y; dz = bz - c.z
            d2 = dx*dx + dy*dy + dz*dz
            mag = dt / (d2 * sqrt(d2))
            bm2 = c.mass * mag
            vx -= dx*bm2; vy -= dy*bm2; vz -= dz*bm2
            cm = bm * mag
            c.vx += dx*cm; c.vy += dy*cm; c.vz += dz*cm
        b.vx = vx; b.vy = vy; b.vz = vz
        b.x = bx + dt*vx; b.y = by + dt*vy; b.z = bz + dt*vz
def energy(bodies, n):
    e = 0.0
    for i in range(n):
        b = bodies[i]
        e += 0.5*b.mass*(b.vx*b.vx+b.vy*b.vy+b.vz*b.vz)
        for j in range(i+1, n):
            c = bodies[j]
            dx = b.x-c.x; dy = b.y-c.y; dz = b.z-c.z
            e -= b.mass*c.mass/sqrt(dx*dx+dy*dy+dz*dz)
    return e
n = len(bodies)
px = py = pz = 0.0
for b in bodies: px += b.vx*b.mass; py += b.vy*b.mass; pz += b.vz*b.mass
bodies[0].vx = -px/solar; bodies[0].vy = -py/solar; bodies[0].vz = -pz/solar
print("%.9f" % energy(bodies, n))
for i in range(200000): advance(bodies, n, 0.01)
print("%.9f" % energy(bodies, n))
