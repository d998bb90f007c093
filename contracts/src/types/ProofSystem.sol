// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

/// @notice Names a proof system with its curve and version, as draft ERC-7992 does:
/// the first four bytes of the keccak256 of a lower-case, hyphen-separated name.
type ProofSystem is bytes4;

using {equals as ==} for ProofSystem global;

function equals(ProofSystem a, ProofSystem b) pure returns (bool) {
    return ProofSystem.unwrap(a) == ProofSystem.unwrap(b);
}
