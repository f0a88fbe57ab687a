function quicksort(a, low, high) {
    while low < high {
        let pivot = a[(low + high) ~/ 2];
        let i = low;
        let j = high;
        while i <= j {
            while a[i] < pivot { i = i + 1; }
            while a[j] > pivot { j = j - 1; }
            if i <= j {
                let t = a[i];
                a[i] = a[j];
                a[j] = t;
                i = i + 1;
                j = j - 1;
            }
        }
        if j - low < high - i {
            quicksort(a, low, j);
            low = i;
        } else {
            quicksort(a, i, high);
            high = j;
        }
    }
}
function main() {
    let n = 300000;
    let a = [];
    let seed = 7;
    for i in 0..n {
        seed = (seed * 1103515245 + 12345) % 2147483648;
        push(a, seed);
    }
    let b = copy(a);
    quicksort(a, 0, n - 1);
    sort(b, fn(x, y) => x < y);
    print(a[0], a[n - 1], a[1000] == b[1000], a == b);
}
