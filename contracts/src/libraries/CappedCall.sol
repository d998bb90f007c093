// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

/// @notice Calls to contracts that must not be able to make their caller fail.
library CappedCall {
    /// @dev What is taken before the called contract has its gas (2,600 for a cold account), and what the caller may
    /// need afterwards.
    uint256 private constant RESERVE = 30_000;

    error NotEnoughGas(uint256 needed, uint256 actual);

    /// @notice Calls `to` with exactly `gas_` gas and returns whether the call went through. Of what it returns nothing
    /// is copied: that would be paid for by the caller.
    /// @dev A call gets at most 63 / 64 of the gas that is left (EIP-150), whatever it is given; whoever sends the
    /// transaction could choose its gas so that the call fails and the rest is just enough for the caller to go on. So
    /// this reverts unless the call can have all that it was promised.
    function tell(address to, uint256 gas_, bytes memory data) internal returns (bool success) {
        uint256 needed = gas_ + gas_ / 63 + RESERVE;
        if (gasleft() < needed) revert NotEnoughGas(needed, gasleft());
        assembly ("memory-safe") {
            success := call(gas_, to, 0, add(data, 32), mload(data), 0, 0)
        }
    }
}
