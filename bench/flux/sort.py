import functools, sys
def quicksort(a, low, high):
    while low < high:
        pivot = a[(low + high) // 2]
        i = low; j = high
        while i <= j:
            while a[i] < pivot: i += 1
            while a[j] > pivot: j -= 1
            if i <= j:
                a[i], a[j] = a[j], a[i]
                i += 1; j -= 1
        if j - low < high - i:
            quicksort(a, low, j); low = i
        else:
            quicksort(a, i, high); high = j
n = 300000
a = []
seed = 7
for i in range(n):
    seed = (seed * 1103515245 + 12345) % 2147483648
    a.append(seed)
b = list(a)
quicksort(a, 0, n - 1)
b.sort(key=functools.cmp_to_key(lambda x, y: -1 if x < y else 1 if y < x else 0))
print(a[0], a[n-1], "true" if a[1000] == b[1000] else "false", "true" if a == b else "false")
