local m, count = {}, 0
local seed = 42
local hits = 0
for i = 0, 999999 do
  seed = (seed * 1103515245 + 12345) % 2147483648
  local key = "k" .. tostring(seed % 50000)
  local old = m[key]
  if old ~= nil then hits = hits + 1; m[key] = old + 1 else m[key] = 1 end
  if i % 3 == 0 then m[key] = nil end
end
local numbers = {}
for i = 0, 499999 do numbers[i * 7 % 100003] = i end
local a, b = 0, 0
for _ in pairs(m) do a = a + 1 end
for _ in pairs(numbers) do b = b + 1 end
print(hits, a, b)
