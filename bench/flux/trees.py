class Tree:
    __slots__ = ("left", "right")
    def __init__(self, left, right): self.left = left; self.right = right
def make(depth):
    if depth == 0: return Tree(None, None)
    return Tree(make(depth-1), make(depth-1))
def count(t):
    if t.left is None: return 1
    return 1 + count(t.left) + count(t.right)
n = 14
long_lived = make(n)
for d in range(4, n+1):
    if d % 4 == 0:
        rounds = 1 << (n - d + 4)
        total = 0
        for i in range(rounds): total += count(make(d))
        print(rounds, d, total)
print(count(long_lived))
