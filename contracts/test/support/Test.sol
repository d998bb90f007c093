// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

/// @notice The cheat codes of forge that these tests use.
interface Vm {
    function assertEq(uint256 a, uint256 b) external pure;
    function assertEq(int256 a, int256 b) external pure;
    function assertEq(bytes32 a, bytes32 b) external pure;
    function assertEq(address a, address b) external pure;
    function assertEq(bytes calldata a, bytes calldata b) external pure;
    function assertEq(string calldata a, string calldata b) external pure;
    function assertNotEq(uint256 a, uint256 b) external pure;
    function assertNotEq(bytes32 a, bytes32 b) external pure;
    function assertTrue(bool condition) external pure;
    function assertFalse(bool condition) external pure;
    function assertLt(uint256 a, uint256 b) external pure;
    function assertLe(uint256 a, uint256 b) external pure;
    function assertGt(uint256 a, uint256 b) external pure;
    function assume(bool condition) external pure;
    function chainId(uint256 id) external;
    function deal(address account, uint256 balance) external;
    function etch(address account, bytes calldata code) external;
    function expectEmit(address emitter) external;
    function expectPartialRevert(bytes4 selector) external;
    function expectRevert(bytes4 selector) external;
    function expectRevert(bytes calldata data) external;
    function fee(uint256 baseFee) external;
    function getRecordedLogs() external returns (Log[] memory);
    function lastCallGas() external view returns (Gas memory);
    function prank(address sender) external;
    function prank(address sender, address origin) external;
    function recordLogs() external;
    function roll(uint256 blockNumber) external;
    function snapshotGasLastCall(string calldata group, string calldata name) external returns (uint256);
    function snapshotValue(string calldata group, string calldata name, uint256 value) external;
    function warp(uint256 timestamp) external;

    struct Gas {
        uint64 gasLimit;
        uint64 gasTotalUsed;
        uint64 gasMemoryUsed;
        int64 gasRefunded;
        uint64 gasRemaining;
    }

    struct Log {
        bytes32[] topics;
        bytes data;
        address emitter;
    }
}

/// @notice Base of the tests.
abstract contract Test {
    Vm internal constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));

    /// @dev forge looks for this to tell a test contract from others.
    bool public IS_TEST = true;

    function bound(uint256 x, uint256 low, uint256 high) internal pure returns (uint256) {
        uint256 span = high - low;
        return span == type(uint256).max ? x : low + x % (span + 1);
    }

    function bound(int256 x, int256 low, int256 high) internal pure returns (int256) {
        unchecked {
            // forge-lint: disable-next-line(unsafe-typecast)
            return low + int256(bound(uint256(x), 0, uint256(high - low)));
        }
    }
}
