struct Body { x, y, z, vx, vy, vz, mass }
function advance(bodies, n, dt) {
    for i in 0..n {
        let b = bodies[i];
        let bx = b.x; let by = b.y; let bz = b.z; let bm = b.mass;
        let vx = b.vx; let vy = b.vy; let vz = b.vz;
        for j in i + 1..n {
            let c = bodies[j];
            let dx = bx - c.x;
            let dy = by - c.y;
            let dz = bz - c.z;
            let d2 = dx * dx + dy * dy + dz * dz;
            let mag = dt / (d2 * sqrt(d2));
            let bm2 = c.mass * mag;
            vx = vx - dx * bm2;
            vy = vy - dy * bm2;
            vz = vz - dz * bm2;
            let cm = bm * mag;
            c.vx = c.vx + dx * cm;
            c.vy = c.vy + dy * cm;
            c.vz = c.vz + dz * cm;
        }
        b.vx = vx; b.vy = vy; b.vz = vz;
        b.x = bx + dt * vx;
        b.y = by + dt * vy;
        b.z = bz + dt * vz;
    }
}
function energy(bodies, n) {
    let e = 0.0;
    for i in 0..n {
        let b = bodies[i];
        e = e + 0.5 * b.mass * (b.vx * b.vx + b.vy * b.vy + b.vz * b.vz);
        for j in i + 1..n {
            let c = bodies[j];
            let dx = b.x - c.x; let dy = b.y - c.y; let dz = b.z - c.z;
            e = e - b.mass * c.mass / sqrt(dx * dx + dy * dy + dz * dz);
        }
    }
    return e;
}
function main() {
    let pi = 3.141592653589793;
    let solar = 4 * pi * pi;
    let year = 365.24;
    let bodies = [
        Body { x: 0.0, y: 0.0, z: 0.0, vx: 0.0, vy: 0.0, vz: 0.0, mass: solar },
        Body { x: 4.84143144246472090, y: -1.16032004402742839, z: -0.103622044471123109, vx: 0.00166007664274403694 * year, vy: 0.00769901118419740425 * year, vz: -0.0000690460016972063023 * year, mass: 0.000954791938424326609 * solar },
        Body { x: 8.34336671824457987, y: 4.12479856412430479, z: -0.403523417114321381, vx: -0.00276742510726411 * year, vy: 0.00499852801234917238 * year, vz: 0.0000230417297573763929 * year, mass: 0.000285885980666130812 * solar },
        Body { x: 12.8943695621391310, y: -15.1111514016986312, z: -0.223307578892655734, vx: 0.00296460137564761618 * year, vy: 0.00237847173959480950 * year, vz: -0.0000296589568540237556 * year, mass: 0.0000436624404335156298 * solar },
        Body { x: 15.3796971148509165, y: -25.9193146099879641, z: 0.179258772950371181, vx: 0.00268067772490389322 * year, vy: 0.00162824170038242295 * year, vz: -0.0000951592254519715870 * year, mass: 0.0000515138902046611451 * solar }
    ];
    let n = len(bodies);
    let px = 0.0; let py = 0.0; let pz = 0.0;
    for b in bodies { px = px + b.vx * b.mass; py = py + b.vy * b.mass; pz = pz + b.vz * b.mass; }
    bodies[0].vx = -px / solar; bodies[0].vy = -py / solar; bodies[0].vz = -pz / solar;
    print(format("{:.9}", energy(bodies, n)));
    for i in 0..200000 { advance(bodies, n, 0.01); }
    print(format("{:.9}", energy(bodies, n)));
}
