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
/// The lot of a claim in block N is a hash of its id, of the RANDAO value in the header of block N + `lookahead`, and of
/// block N's hash. A header's RANDAO value (EIP-4399: mixHash, or prevRandao) is the mix after the block before has made
/// its reveal, so the reveals of the proposers up to N + `lookahead` - 1 determine it. What a proposer reveals is a
/// signature of the epoch's number: it cannot choose it, and nobody else knows it before. So on Ethereum:
///
///   the proposer of N             can include any claim and try as many as it likes, but does not know the reveals
///                                 after its own. With a lookahead of one there would be none: hence two at least
///   those of N + 1 and on         cannot choose what they reveal, only whether their block appears. If it does not,
///                                 the next proposer's block gets its number, and another reveal
///   that of N + lookahead - 1     is the last, and the first to know the lot. It can withhold its block for another lot
///                                 that it does not know: one bit, for the price of a block. A bit can square the
///                                 probability of being caught, no more
///   that of N + lookahead         knows the lot and cannot change it: without its block the next one has the same mix
///   a builder of blocks           knows no reveal before the proposer shows it, and what is in a block changes nothing
///
/// Whoever has several slots in a row at the end has a bit for each; by withholding blocks before, it can move the end
/// to slots of its own; and whoever can make the chain drop a block that was published has a bit too. Nothing that
/// happened before the last reveal of somebody not in league with the asserter is of any use.
///
/// Whoever has all of the blocks N to N + `lookahead` - 1, or is told the reveals of all their proposers in advance,
/// knows the lot when it makes the claim, and changes the claim until it is spared. With a lookahead of two, whoever
/// proposes a tenth of all blocks can do so at a hundredth of them, knows minutes before at which, and can wait. A longer
/// lookahead prevents that, and one of more than two epochs (65 blocks or more) also that it is known whose the last
/// block will be when the claim is made. EIP-4399 advises four epochs, 128 blocks.
///
/// Block N's hash is for chains whose prevRandao is a constant, or known before, such as that of another chain's block
/// some time ago: everybody would know every lot there. The hash of a later block would do harm: a proposer that knows
/// the mix could try one content of its block after another, as many as it can hash. While block N is being built, nobody
/// knows the mix but who knows all the reveals anyway, so there is nothing to try for. Where prevRandao is no secret, the
/// lot is that of whoever builds block N, and of whoever can foresee that block, as is easy on a chain without traffic.
/// Where a sequencer chooses it, the lot is the sequencer's. It must be trusted not to be in league with asserters.
/// Where blocks' hashes are not those of Ethereum's headers, no lot can be drawn, and every claim must be proved.
///
/// So there are asserters against whom the lot does not help. What does is a demand: consumers to whom a claim matters
/// that much pay for its proof, or do not rely on this tier.
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
    /// @param lookahead How many blocks after the claim's its lot is known; at least 2.
    struct Parameters {
        uint96 minBond;
        uint32 minWindow;
        uint32 proofWindow;
        uint16 share;
        uint8 lookahead;
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
    /// @param postedBlock The block of the claim. Its lot comes from the header of block postedBlock + lookahead.
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
    error LookaheadTooShort(uint256 minimum, uint256 actual);
    error InputsTooLarge(uint256 maximum, uint256 actual);
    error CapacityZero();
    error NotEnrolled(ModelId modelId, address asserter, ProofSystem system);
    error CapacityExhausted(uint256 capacity);
    error SourceNotAllowed(address asserter, address source);
    error TraceNotZero(bytes32 trace);
    error DrawTooEarly(uint256 block_);
    error DrawTooLate(bytes32 claimId);
    error WrongHeader(bytes32 expected, bytes32 actual);
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

    /// @notice Records whether a claim must be proved. Anybody may, from lookahead + 1 blocks after the claim until 256
    /// blocks after it, and before its deadline.
    /// @param header The header of block postedBlock + lookahead, in RLP.
    function draw(bytes32 claimId, bytes calldata header) external;

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
