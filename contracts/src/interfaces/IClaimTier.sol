// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {Claim, ClaimStatus} from "../types/Claim.sol";
import {ModelId} from "../types/ModelId.sol";

/// @title A tier of bonded claims
/// @notice What the ways of settling claims have in common, and all that an oracle needs to know of one.
interface IClaimTier {
    event ClaimPosted(
        bytes32 indexed claimId, ModelId indexed modelId, address indexed asserter, Claim claim, bytes output
    );
    /// @notice The data behind the input root of a claim, packed like outputs.
    event InputPosted(bytes32 indexed input, bytes data);
    event ClaimFinal(bytes32 indexed claimId);
    event ClaimRevoked(bytes32 indexed claimId, address indexed winner);

    error ClaimExists(bytes32 claimId);
    error ClaimNotProvisional(bytes32 claimId, ClaimStatus status);
    error ClaimPending(bytes32 claimId, uint256 until);
    error WrongAsserter(address expected, address actual);
    error WrongSource(address expected, address actual);
    error WrongBond(uint256 expected, uint256 actual);
    error BondTooLow(uint256 minimum, uint256 actual);
    error WindowTooShort(uint256 minimum, uint256 actual);
    error WindowTooLong(uint256 maximum, uint256 actual);
    error WrongOutputLength(uint256 expected, uint256 actual);
    error WrongOutputHash(bytes32 expected, bytes32 actual);
    error WrongInputLength(uint256 expected, uint256 actual);
    error WrongInput(bytes32 expected, bytes32 actual);

    /// @notice Posts a claim of the caller's together with the input's data, of at most 64 KiB. The claim's `source` is
    /// zero, its `asserter` the caller, its `bond` what is sent.
    /// @param claim_ The claim.
    /// @param output The outputs, packed.
    /// @param input The inputs, packed.
    function claim(Claim calldata claim_, bytes calldata output, bytes calldata input)
        external
        payable
        returns (bytes32 claimId);

    /// @notice Posts a claim on an input that the caller, a contract, vouches for: it is the claim's `source`. Nobody
    /// challenges a claim whose input nobody can obtain, so whoever relies on such a claim trusts its source for that.
    function claimFor(Claim calldata claim_, bytes calldata output) external payable returns (bytes32 claimId);

    /// @notice Declares an unchallenged claim final once its time is over, and gives its bond back.
    function finalise(Claim calldata claim_) external;

    /// @notice The id of a claim in this contract.
    function claimIdOf(Claim calldata claim_) external view returns (bytes32);

    /// @notice What has become of a claim.
    function statusOf(bytes32 claimId) external view returns (ClaimStatus);

    /// @notice The longest time, in seconds, from posting a claim of a model with this window until it can be resolved.
    function longest(ModelId modelId, uint32 window) external view returns (uint256);
}
