// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IClaimTier} from "../../src/interfaces/IClaimTier.sol";
import {Claim, ClaimStatus} from "../../src/types/Claim.sol";
import {ModelId} from "../../src/types/ModelId.sol";

/// @notice A tier of claims whose outcome the test decides.
contract ClaimTierDouble is IClaimTier {
    uint256 public constant RESOLVING = 50;

    mapping(bytes32 => ClaimStatus) public override statusOf;
    mapping(bytes32 => uint256) public latest; // when the claim is resolved at the latest
    bool public refuses;

    error Refuses();

    function setStatus(bytes32 claimId, ClaimStatus status) external {
        require(statusOf[claimId] == ClaimStatus.PROVISIONAL, "not provisional");
        statusOf[claimId] = status;
    }

    function setRefuses(bool refuses_) external {
        refuses = refuses_;
    }

    function claimFor(Claim calldata claim_, bytes calldata output) external payable override returns (bytes32 id) {
        if (refuses) revert Refuses();
        if (claim_.source != msg.sender) revert WrongSource(msg.sender, claim_.source);
        if (claim_.bond != msg.value) revert WrongBond(claim_.bond, msg.value);
        if (claim_.outputHash != keccak256(output)) revert WrongOutputHash(claim_.outputHash, keccak256(output));
        id = claim_.id();
        if (statusOf[id] != ClaimStatus.NONE) revert ClaimExists(id);
        statusOf[id] = ClaimStatus.PROVISIONAL;
        latest[id] = block.timestamp + claim_.window + RESOLVING;
        emit ClaimPosted(id, claim_.modelId, claim_.asserter, claim_, output);
    }

    function claimIdOf(Claim calldata claim_) external view override returns (bytes32) {
        return claim_.id();
    }

    function longest(ModelId, uint32 window) external pure override returns (uint256) {
        return window + RESOLVING;
    }

    function claim(Claim calldata, bytes calldata, bytes calldata) external payable override returns (bytes32) {
        revert Refuses();
    }

    function finalise(Claim calldata) external pure override {
        revert Refuses();
    }
}
