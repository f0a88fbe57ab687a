// A tree of some 260 MB, of which random parts are made anew.
struct Tree { left, right, weight }
function make(depth) {
    if depth == 0 { return Tree { weight: 1 }; }
    return Tree { left: make(depth - 1), right: make(depth - 1), weight: depth };
}
function main() {
    let tree = make(21);
    for i in 0..4000 {
        let at = tree;
        let depth = 21;
        while depth > 11 {
            depth = depth - 1;
            if random_int(0, 1) == 0 { if depth == 11 { at.left = make(depth - 1); } at = at.left; }
            else { if depth == 11 { at.right = make(depth - 1); } at = at.right; }
        }
    }
    print(gc_stats());
}
