// SPDX-License-Identifier: UNLICENSED
pragma solidity ^0.8.24;

import "@openzeppelin/contracts/token/ERC20/extensions/ERC20Permit.sol";
import "@openzeppelin/contracts/token/ERC20/extensions/ERC20Burnable.sol";
import "@openzeppelin/contracts/token/ERC721/extensions/ERC721Enumerable.sol";
import "@openzeppelin/contracts/access/AccessControl.sol";
import "@openzeppelin/contracts/access/Ownable2Step.sol";
import "@openzeppelin/contracts/proxy/Clones.sol";
import "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";

contract SampleToken is ERC20Permit, ERC20Burnable, AccessControl {
    bytes32 public constant MINTER = keccak256("MINTER");

    constructor(uint256 supply) ERC20("Sample", "SMP") ERC20Permit("Sample") {
        _grantRole(DEFAULT_ADMIN_ROLE, msg.sender);
        _grantRole(MINTER, msg.sender);
        _mint(msg.sender, supply);
    }

    function mint(address to, uint256 amount) external onlyRole(MINTER) {
        _mint(to, amount);
    }
}

contract SampleNft is ERC721Enumerable, Ownable2Step {
    constructor(address owner) ERC721("Things", "THG") Ownable(owner) {}

    function mint(address to, uint256 id) external onlyOwner {
        _safeMint(to, id);
    }
}

contract Probe {
    event Made(address clone);
    error Custom(uint256 code, string text);

    uint256 public stored;
    bytes public blob;

    function set(uint256 value) external {
        stored = value;
    }

    function setBlob(bytes calldata data) external {
        blob = data;
    }

    function fail(uint256 kind) external view returns (uint256) {
        if (kind == 0) revert("a reason");
        if (kind == 1) revert Custom(42, "why");
        if (kind == 2) return 1 / (stored - stored);
        if (kind == 3) assert(stored == type(uint256).max);
        if (kind == 4) revert();
        uint256[] memory a = new uint256[](1);
        return a[kind];
    }

    function clone() external returns (address made) {
        made = Clones.clone(address(this));
        emit Made(made);
    }

    function signer(bytes32 digest, bytes calldata signature) external pure returns (address) {
        return ECDSA.recover(digest, signature);
    }

    function surroundings() external view returns (address, uint256, uint256, uint256) {
        return (msg.sender, block.basefee, address(this).balance, msg.data.length);
    }
}
