// SPDX-License-Identifier: UNLICENSED
pragma solidity ^0.8.24;

import "@openzeppelin/contracts/token/ERC20/ERC20.sol";

// The rows of the execution benchmark: each function does a kind of work n times and returns what depends on all of it.
contract BenchToken is ERC20 {
    constructor(string memory name, address owner) ERC20(name, name) {
        _mint(owner, 1e30);
    }
}

// A pool of two tokens with a constant product and a fee of 0.3 %.
contract BenchPair {
    ERC20 public token0;
    ERC20 public token1;
    uint112 private reserve0;
    uint112 private reserve1;
    uint32 private last;

    event Swap(address indexed sender, uint256 in0, uint256 in1, uint256 out0, uint256 out1, address indexed to);
    event Sync(uint112 reserve0, uint112 reserve1);

    constructor(ERC20 a, ERC20 b) {
        token0 = a;
        token1 = b;
    }

    function sync() public {
        reserve0 = uint112(token0.balanceOf(address(this)));
        reserve1 = uint112(token1.balanceOf(address(this)));
        last = uint32(block.timestamp);
        emit Sync(reserve0, reserve1);
    }

    function quote(uint256 amount, uint256 reserveIn, uint256 reserveOut) public pure returns (uint256) {
        uint256 withFee = amount * 997;
        return withFee * reserveOut / (reserveIn * 1000 + withFee);
    }

    function swap(bool zeroForOne, uint256 amount, address to) external returns (uint256 out) {
        (uint256 r0, uint256 r1) = (reserve0, reserve1);
        if (zeroForOne) {
            out = quote(amount, r0, r1);
            token0.transferFrom(msg.sender, address(this), amount);
            token1.transfer(to, out);
        } else {
            out = quote(amount, r1, r0);
            token1.transferFrom(msg.sender, address(this), amount);
            token0.transfer(to, out);
        }
        uint256 b0 = token0.balanceOf(address(this));
        uint256 b1 = token1.balanceOf(address(this));
        require(b0 * b1 >= r0 * r1, "K");
        emit Swap(msg.sender, zeroForOne ? amount : 0, zeroForOne ? 0 : amount, zeroForOne ? 0 : out, zeroForOne ? out : 0, to);
        sync();
    }
}

contract Bench {
    mapping(uint256 => uint256) private slots;

    function hashes(uint256 n) external pure returns (bytes32 h) {
        for (uint256 i = 0; i < n; i++) {
            assembly ("memory-safe") {
                mstore(0, h)
                mstore(32, i)
                h := keccak256(0, 64)
            }
        }
    }

    function arithmetic(uint256 n) external pure returns (uint256 x) {
        x = 7;
        unchecked {
            for (uint256 i = 1; i < n; i++) {
                x = mulmod(x, x + i, 0x30644e72e131a029b85045b68181585d97816a916871ca8d3c208c16d87cfd47) + x / i;
                x ^= x >> 13;
                x += i * 0x9e3779b97f4a7c15;
            }
        }
    }

    function sum(uint256 n) external pure returns (uint256 x) {
        for (uint256 i = 0; i < n; i++) x += i;
    }

    function storing(uint256 n) external returns (uint256 x) {
        for (uint256 i = 0; i < n; i++) {
            uint256 k = i & 255;
            slots[k] = slots[k] + i + 1;
            x += slots[(k * 7) & 255];
        }
    }

    function transfers(uint256 n) external returns (uint256) {
        BenchToken token = new BenchToken("T", address(this));
        for (uint256 i = 0; i < n; i++) token.transfer(address(uint160(0x10000 + (i & 63))), i + 1);
        return token.balanceOf(address(this));
    }

    function swaps(uint256 n) external returns (uint256 x) {
        BenchToken a = new BenchToken("A", address(this));
        BenchToken b = new BenchToken("B", address(this));
        BenchPair pair = new BenchPair(a, b);
        a.transfer(address(pair), 1e24);
        b.transfer(address(pair), 2e24);
        pair.sync();
        a.approve(address(pair), type(uint256).max);
        b.approve(address(pair), type(uint256).max);
        for (uint256 i = 0; i < n; i++) x += pair.swap(i & 1 == 0, 1e15 + i, address(this));
    }

    // ---- a ray tracer in fixed point: spheres over a floor, one light, shadows and reflections ----
    struct Vector { int256 x; int256 y; int256 z; }
    struct Sphere { Vector center; int256 radius; int256 shine; Vector color; }

    int256 constant ONE = 1e6;

    function root(int256 a) private pure returns (int256 r) {
        if (a <= 0) return 0;
        r = a;
        int256 t = (a + 1) / 2;
        while (t < r) { r = t; t = (a / t + t) / 2; }
    }

    function add(Vector memory a, Vector memory b) private pure returns (Vector memory) {
        return Vector(a.x + b.x, a.y + b.y, a.z + b.z);
    }

    function sub(Vector memory a, Vector memory b) private pure returns (Vector memory) {
        return Vector(a.x - b.x, a.y - b.y, a.z - b.z);
    }

    function scale(Vector memory a, int256 f) private pure returns (Vector memory) {
        return Vector(a.x * f / ONE, a.y * f / ONE, a.z * f / ONE);
    }

    function dot(Vector memory a, Vector memory b) private pure returns (int256) {
        return (a.x * b.x + a.y * b.y + a.z * b.z) / ONE;
    }

    function unit(Vector memory a) private pure returns (Vector memory) {
        int256 length = root(a.x * a.x + a.y * a.y + a.z * a.z);
        return Vector(a.x * ONE / length, a.y * ONE / length, a.z * ONE / length);
    }

    function scene() private pure returns (Sphere[] memory s) {
        s = new Sphere[](4);
        s[0] = Sphere(Vector(0, -10004 * ONE, -20 * ONE), 10000 * ONE, 0, Vector(200000, 200000, 200000));
        s[1] = Sphere(Vector(0, 0, -20 * ONE), 4 * ONE, 500000, Vector(ONE, 320000, 360000));
        s[2] = Sphere(Vector(5 * ONE, -1 * ONE, -15 * ONE), 2 * ONE, 300000, Vector(900000, 760000, 460000));
        s[3] = Sphere(Vector(-5 * ONE, 0, -25 * ONE), 3 * ONE, 300000, Vector(650000, 770000, 970000));
    }

    function hit(Sphere memory s, Vector memory from, Vector memory way) private pure returns (int256) {
        Vector memory l = sub(s.center, from);
        int256 along = dot(l, way);
        if (along < 0) return 0;
        int256 rest = s.radius * s.radius / ONE - (dot(l, l) - along * along / ONE);
        if (rest < 0) return 0;
        int256 half = root(rest * ONE);
        return along - half > 1000 ? along - half : along + half;
    }

    function nearest(Sphere[] memory s, Vector memory from, Vector memory way) private pure returns (int256 distance, uint256 which) {
        distance = type(int256).max;
        which = s.length;
        for (uint256 i = 0; i < s.length; i++) {
            int256 d = hit(s[i], from, way);
            if (d > 0 && d < distance) (distance, which) = (d, i);
        }
    }

    function shading(Sphere[] memory s, uint256 which, Vector memory point, Vector memory normal) private pure returns (int256 shade) {
        Vector memory light = unit(sub(Vector(0, 20 * ONE, 30 * ONE), point));
        shade = dot(normal, light);
        if (shade < 0) shade = 0;
        for (uint256 i = 0; i < s.length && shade > 0; i++) if (i != which && hit(s[i], point, light) > 0) shade = 0;
    }

    function trace(Sphere[] memory s, Vector memory from, Vector memory way, uint256 depth) private pure returns (Vector memory color) {
        (int256 distance, uint256 which) = nearest(s, from, way);
        if (which == s.length) return Vector(500000 + way.y / 2, 700000, ONE);
        Vector memory point = add(from, scale(way, distance));
        Vector memory normal = unit(sub(point, s[which].center));
        point = add(point, scale(normal, 1000));
        color = scale(s[which].color, 200000 + shading(s, which, point, normal) * 8 / 10);
        if (s[which].shine > 0 && depth < 2) {
            way = unit(sub(way, scale(normal, 2 * dot(way, normal))));
            color = add(scale(color, ONE - s[which].shine), scale(trace(s, point, way, depth + 1), s[which].shine));
        }
    }

    function rays(uint256 n) external pure returns (bytes32 h) {
        Sphere[] memory s = scene();
        for (uint256 i = 0; i < n; i++) {
            int256 x = int256(i * 37 % 64) - 32;
            int256 y = int256(i * 11 % 48) - 24;
            Vector memory c = trace(s, Vector(0, 0, 0), unit(Vector(x * ONE / 50, y * ONE / 50, -ONE)), 0);
            h = keccak256(abi.encode(h, c.x, c.y, c.z));
        }
    }
}
