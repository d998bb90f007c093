// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

/// @notice Names one registration: a circuit together with its owner, verifying keys, verifiers and metadata.
type ModelId is uint256;
