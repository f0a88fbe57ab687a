function a(i, j) {
    let ij = i + j;
    return 1.0 / (ij * (ij + 1) * 0.5 + i + 1);
}
function times(v, n, transposed) {
    let out = fill(n, 0.0);
    for i in 0..n {
        let sum = 0.0;
        if transposed {
            for j in 0..n { sum = sum + a(j, i) * v[j]; }
        } else {
            for j in 0..n { sum = sum + a(i, j) * v[j]; }
        }
        out[i] = sum;
    }
    return out;
}
function main() {
    let n = 300;
    let u = fill(n, 1.0);
    let v = u;
    for i in 0..10 {
        v = times(times(u, n, false), n, true);
        u = times(times(v, n, false), n, true);
    }
    let vbv = 0.0;
    let vv = 0.0;
    for i in 0..n {
        vbv = vbv + u[i] * v[i];
        vv = vv + v[i] * v[i];
    }
    print(format("{:.9}", sqrt(vbv / vv)));
}
