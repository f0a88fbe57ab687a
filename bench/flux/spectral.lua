local function a(i, j)
  local ij = i + j
  return 1.0 / (ij * (ij + 1) * 0.5 + i + 1)
end
local function times(v, n, transposed)
  local out = {}
  for i = 0, n - 1 do
    local sum = 0.0
    if transposed then
      for j = 0, n - 1 do sum = sum + a(j, i) * v[j + 1] end
    else
      for j = 0, n - 1 do sum = sum + a(i, j) * v[j + 1] end
    end
    out[i + 1] = sum
  end
  return out
end
local n = 300
local u = {}
for i = 1, n do u[i] = 1.0 end
local v = u
for i = 1, 10 do
  v = times(times(u, n, false), n, true)
  u = times(times(v, n, false), n, true)
end
local vbv, vv = 0.0, 0.0
for i = 1, n do vbv = vbv + u[i] * v[i]; vv = vv + v[i] * v[i] end
print(string.format("%.9f", math.sqrt(vbv / vv)))
