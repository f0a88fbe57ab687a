local sqrt = math.sqrt
local pi = 3.141592653589793
local solar = 4 * pi * pi
local year = 365.24
local bodies = {
 {x=0,y=0,z=0,vx=0,vy=0,vz=0,mass=solar},
 {x=4.84143144246472090,y=-1.16032004402742839,z=-0.103622044471123109,vx=0.00166007664274403694*year,vy=0.00769901118419740425*year,vz=-0.0000690460016972063023*year,mass=0.000954791938424326609*solar},
 {x=8.34336671824457987,y=4.12479856412430479,z=-0.403523417114321381,vx=-0.00276742510726411*year,vy=0.00499852801234917238*year,vz=0.0000230417297573763929*year,mass=0.000285885980666130812*solar},
 {x=12.8943695621391310,y=-15.1111514016986312,z=-0.223307578892655734,vx=0.00296460137564761618*year,vy=0.00237847173959480950*year,vz=-0.0000296589568540237556*year,mass=0.0000436624404335156298*solar},
 {x=15.3796971148509165,y=-25.9193146099879641,z=0.179258772950371181,vx=0.00268067772490389322*year,vy=0.00162824170038242295*year,vz=-0.0000951592254519715870*year,mass=0.0000515138902046611451*solar},
}
local function advance(bodies, n, dt)
  for i = 1, n do
    local b = bodies[i]
    local bx, by, bz, bm = b.x, b.y, b.z, b.mass
    local vx, vy, vz = b.vx, b.vy, b.vz
    for j = i + 1, n do
      local c = bodies[j]
      local dx, dy, dz = bx - c.x, by - c.y, bz - c.z
      local d2 = dx*dx + dy*dy + dz*dz
      local mag = dt / (d2 * sqrt(d2))
      local bm2 = c.mass * mag
      vx = vx - dx * bm2
      vy = vy - dy * bm2
      vz = vz - dz * bm2
      local cm = bm * mag
      c.vx = c.vx + dx * cm
      c.vy = c.vy + dy * cm
      c.vz = c.vz + dz * cm
    end
    b.vx, b.vy, b.vz = vx, vy, vz
    b.x = bx + dt * vx
    b.y = by + dt * vy
    b.z = bz + dt * vz
  end
end
local function energy(bodies, n)
  local e = 0
  for i = 1, n do
    local b = bodies[i]
    e = e + 0.5 * b.mass * (b.vx*b.vx + b.vy*b.vy + b.vz*b.vz)
    for j = i + 1, n do
      local c = bodies[j]
      local dx, dy, dz = b.x - c.x, b.y - c.y, b.z - c.z
      e = e - b.mass * c.mass / sqrt(dx*dx + dy*dy + dz*dz)
    end
  end
  return e
end
local n = #bodies
local px, py, pz = 0, 0, 0
for _, b in ipairs(bodies) do px = px + b.vx*b.mass; py = py + b.vy*b.mass; pz = pz + b.vz*b.mass end
bodies[1].vx, bodies[1].vy, bodies[1].vz = -px/solar, -py/solar, -pz/solar
print(string.format("%.9f", energy(bodies, n)))
for i = 1, 200000 do advance(bodies, n, 0.01) end
print(string.format("%.9f", energy(bodies, n)))
