from math import sqrt
def a(i, j):
    ij = i + j
    return 1.0 / (ij * (ij + 1) * 0.5 + i + 1)
def times(v, n, transposed):
    out = [0.0] * n
    for i in range(n):
        s = 0.0
        if transposed:
            for j in range(n): s += a(j, i) * v[j]
        else:
            for j in range(n): s += a(i, j) * v[j]
        out[i] = s
    return out
n = 300
u = [1.0] * n
v = u
for i in range(10):
    v = times(times(u, n, False), n, True)
    u = times(times(v, n, False), n, True)
vbv = vv = 0.0
for i in range(n):
    vbv += u[i] * v[i]
    vv += v[i] * v[i]
print("%.9f" % sqrt(vbv / vv))
