// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {Claim, ClaimStatus} from "../types/Claim.sol";
import {ModelId} from "../types/ModelId.sol";
import {ProofSystem} from "../types/ProofSystem.sol";
import {IClaimTier} from "./IClaimTier.sol";

/// @notice What the lot decided. OPEN: nothing yet. SPARED: the claim needs no proof. SELECTED: it must be proved. A
/// claim whose lot nobody drew in time must be proved as well.
enum Lot {
    OPEN,
    SPARED,
    SELECTED
}

/// @title Claims settled by proofs, a random share of them
/// @notice For models that nobody else can recompute, because their weights are private or too large to fetch. Nobody
/// can then know when to challenge, so chance does: a share of all claims, drawn after they were made, must be proved
/// by `proofWindow` after their deadline, or their bonds fall. Anyone can also pay for the proof of a claim.
///
/// A claim has no trace and is settled by the proof system it names. What becomes of it:
///
///   finalise   FINAL    from the deadline on, if it was spared and nobody paid for a proof
///   settle     FINAL    at once, by a proof; until deadline + proofWindow if a proof is due
///   expire     REVOKED  from deadline + proofWindow on, if a proof was due
///
/// One of them is open to anyone at `longest` after the claim at the latest. Nothing is looped over, and nobody is paid
/// but by withdrawing.
///
/// Whoever lies is caught with a probability of `share` / 65,536 and loses the burnt half of its bond (it can win the
/// other half itself). So a consumer asks for bonds of at least 2 * gain * 65,536 / share.
///
/// The lot is the hash of the block after the claim's. Nobody knows it when the claim is made, except for whoever
/// determines both blocks' contents: a proposer, or a builder that proposers buy blocks from, can try one
/// content of the block after another, as many as it can hash, until the lot spares a claim that it put into the block
/// before. Against an asserter in league with the proposer of the next block the lot is therefore no protection at all;
/// it is one against all others, for each claim by itself. What remains against the former is a demand: consumers to
/// whom a claim matters that much pay for its proof, or do not rely on this tier. On a chain with a single sequencer,
/// it must be trusted not to be in league with asserters.
///
/// Invariants, each tested by its number:
///
///  1 An asserter that proves every claim in time never loses a bond.
///  2 No claim that must be proved becomes final without a proof.
///  3 A claim that was spared, and whose proof nobody paid for, becomes final at its deadline, not before.
///  4 Money is conserved: bonds and fees are in credits, in claims that are provisional, or burnt.
///  5 Every claim can be resolved by `longest` after it was made.
///  6 State only moves forward.
///  7 An asserter never has more provisional claims for a model than it said it could prove.
interface ISampledTier is IClaimTier {
    /// @param minBond The lowest bond of a claim, in wei.
    /// @param minWindow The shortest window, in seconds. It must leave time to draw the lot.
    /// @param proofWindow For how long after its deadline a claim can be proved, in seconds.
    /// @param share How many claims of 65,536 must be proved; not 0.
    struct Parameters {
        uint96 minBond;
        uint32 minWindow;
        uint32 proofWindow;
        uint16 share;
    }

    /// @notice What an asserter said about itself, for one model and one proof system.
    /// @param capacity How many claims it may have provisional at a time; zero if it is not enrolled.
    /// @param outstanding How many it has.
    /// @param price What a proof on demand costs, in wei.
    /// @param outputLength Bytes of the model's outputs, packed.
    struct Enrolment {
        uint32 capacity;
        uint32 outstanding;
        uint96 price;
        uint32 outputLength;
    }

    /// @notice The state of a claim. Once it is resolved, all but the status is zero.
    /// @param status What has become of it.
    /// @param lot What the lot decided.
    /// @param demanded Whether somebody paid for a proof.
    /// @param deadline When its window is over.
    /// @param postedBlock The block of the claim. The lot is the hash of the next one.
    /// @param price What its proof on demand costs, in wei: the asserter's price when it was posted.
    struct ClaimState {
        ClaimStatus status;
        Lot lot;
        bool demanded;
        uint40 deadline;
        uint48 postedBlock;
        uint96 price;
    }

    event Enrolled(
        ModelId indexed modelId, address indexed asserter, ProofSystem system, uint256 capacity, uint256 price
    );
    event SourceAllowed(address indexed asserter, address indexed source, bool allowed);
    event LotDrawn(bytes32 indexed claimId, bool selected);
    event ProofDemanded(bytes32 indexed claimId, address indexed payer, uint256 price);

    error RegistryMismatch(address expected, address actual);
    error ShareZero();
    error InputsTooLarge(uint256 maximum, uint256 actual);
    error CapacityZero();
    error NotEnrolled(ModelId modelId, address asserter, ProofSystem system);
    error CapacityExhausted(uint256 capacity);
    error SourceNotAllowed(address asserter, address source);
    error TraceNotZero(bytes32 trace);
    error DrawTooEarly(uint256 block_);
    error DrawTooLate(bytes32 claimId);
    error AlreadyDrawn(bytes32 claimId);
    error WindowOver(uint256 deadline);
    error AlreadyDemanded(bytes32 claimId);
    error WrongPrice(uint256 expected, uint256 actual);
    error ProofDue(bytes32 claimId, uint256 until);
    error ProofNotDue(bytes32 claimId);
    error ProofTooLate(uint256 until);

    /// @notice The caller says how many claims about a model it may have provisional at a time, and for what it proves
    /// one on demand; a proof made for it shows that it can prove at all. A later enrolment replaces what it said. The
    /// capacity is its own word: it should be what it can prove within `proofWindow`, since all may be selected or
    /// demanded.
    /// @param input Input commitment of the sample.
    /// @param output Its outputs, packed.
    /// @param proof The four bytes of `system` and the tier's own bytes, a proof for the caller.
    function enrol(
        ModelId modelId,
        ProofSystem system,
        uint32 capacity,
        uint96 price,
        bytes32 input,
        bytes calldata output,
        bytes calldata proof
    ) external;

    /// @notice Lets a contract post claims in the caller's name, or no longer. Without it anybody could use the
    /// caller's capacity up.
    function allowSource(address source, bool allowed) external;

    /// @notice Records whether a claim must be proved. Anybody may, from two blocks after the claim until its deadline
    /// and for at most 256 blocks.
    function draw(bytes32 claimId) external;

    /// @notice Pays for the proof of a claim before its deadline. The price goes to the asserter once the proof is
    /// there, whoever submits it, and back to the payer, with half of the bond, if there is none in time.
    function demand(Claim calldata claim_) external payable;

    /// @notice Makes a claim final by a validity proof.
    /// @param output The claim's outputs, packed.
    /// @param proof The four bytes of the proof system and the tier's own bytes, a proof for anyone.
    function settle(Claim calldata claim_, bytes calldata output, bytes calldata proof) external;

    /// @notice Revokes a claim whose proof is overdue. Half of its bond goes to whoever paid for the proof, or else to
    /// the caller; the other half is burnt: it stays here for good.
    function expire(Claim calldata claim_) external;

    /// @notice The state of a claim.
    function claimOf(bytes32 claimId) external view returns (ClaimState memory);

    /// @notice Who paid for the proof of a claim; zero if nobody did.
    function payerOf(bytes32 claimId) external view returns (address);

    /// @notice What an asserter said about itself.
    function enrolmentOf(address asserter, ModelId modelId, ProofSystem system) external view returns (Enrolment memory);

    /// @notice Whether a contract may post claims in an asserter's name.
    function sourceAllowed(address asserter, address source) external view returns (bool);

    /// @notice What was fixed when the tier was deployed.
    function parameters() external view returns (Parameters memory);
}
