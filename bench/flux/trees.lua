local function make(depth) if depth == 0 then return {} end return {left=make(depth-1), right=make(depth-1)} end
local function count(t) if not t.left then return 1 end return 1 + count(t.left) + count(t.right) end
local n = 14
local long_lived = make(n)
for d = 4, n do
  if d % 4 == 0 then
    local rounds = 1 << (n - d + 4)
    local total = 0
    for i = 1, rounds do total = total + count(make(d)) end
    print(rounds, d, total)
  end
end
print(count(long_lived))
