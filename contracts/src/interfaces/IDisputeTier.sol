// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {Claim, ClaimStatus} from "../types/Claim.sol";
import {ModelId} from "../types/ModelId.sol";
import {ProofSystem} from "../types/ProofSystem.sol";
import {IClaimTier} from "./IClaimTier.sol";

/// @notice A cell, named by the op record of its tensor.
/// @param record The record's index in the ops tree.
/// @param index The cell's row-major index in the tensor.
/// @param opening The record's bytes, then its siblings in the ops tree in climbing order.
struct Cell {
    uint256 record;
    uint256 index;
    bytes opening;
}

/// @notice Whose turn it is in a game. NONE: there is no such game. REVEAL: the asserter's. CHOOSE, PROVE: the
/// challenger's. CLOSED: the game is over and its bond paid out.
enum Turn {
    NONE,
    REVEAL,
    CHOOSE,
    PROVE,
    CLOSED
}

/// @notice What a tier is deployed with. Amounts are in wei, times in seconds.
/// @param minBond The lowest bond of a claim. Half of it has to pay for a whole dispute.
/// @param challengerBond What a game costs. Half of it has to pay for the asserter's reveals.
/// @param minWindow The shortest time in which a claim can be challenged.
/// @param asserterTime What the asserter may use up in a game, over all of its moves.
/// @param challengerTime The same for the challenger.
/// @param extension What each move may take at least.
struct DisputeParameters {
    uint96 minBond;
    uint96 challengerBond;
    uint32 minWindow;
    uint32 asserterTime;
    uint32 challengerTime;
    uint32 extension;
}

/// @title Claims settled by dispute
/// @notice A challenger leads the asserter down the tree of the trace, 16 subtrees at a time, to a leaf that differs
/// from its own, and has one cell of it recomputed from operands that the asserter committed to as well. The verdict
/// needs no agreement: only the asserter's own commitments that contradict one another.
///
/// Invariants, each tested by its number:
///
///  1 An honest asserter whose node is alive never loses a bond.
///  2 An honest challenger who moves in time defeats every claim with false outputs.
///  3 A claim without a live game becomes final at its deadline, not before.
///  4 Bonds are conserved: what is paid out and what is burnt is what was paid in.
///  5 Every dispute ends by a time that can be computed when it starts.
///  6 State only moves forward.
///  7 Replayed, front-run or re-ordered honest moves change nothing.
///  8 The verdict is the executor's, for every operation, shape and value, and authenticated operands never revert.
///  9 Nobody can make another's resolution revert.
interface IDisputeTier is IClaimTier {
    event GameOpened(bytes32 indexed claimId, address indexed challenger);
    /// @param nodes What was revealed: hashes or leaves, then siblings.
    event Revealed(bytes32 indexed claimId, address indexed challenger, uint256 level, uint256 position, bytes nodes);
    event Chosen(bytes32 indexed claimId, address indexed challenger, uint256 level, uint256 position);
    /// @notice The game is over. `won` by the challenger or not; `refund` of its gas, in wei.
    event GameClosed(bytes32 indexed claimId, address indexed challenger, bool won, uint256 refund);

    error GameExists(bytes32 claimId, address challenger);
    error GameTooRecent(uint256 openedBlock);
    error WindowOver(uint256 deadline);
    error NotThisTurn(Turn turn);
    error WrongPlace(uint256 level, uint256 position);
    error WrongChild(uint256 child, uint256 children);
    error MoveTooLate(uint256 deadline);
    error MoveNotDue(uint256 deadline);
    error WrongLength(uint256 expected, uint256 actual);
    error WrongNodes(bytes32 expected, bytes32 actual);
    error WrongRecord(bytes32 expected, bytes32 actual);
    error WrongCell(uint256 index);
    error WrongLeaf(bytes32 expected, bytes32 actual);
    error GameStillDecides(bytes32 claimId);
    error NotSettledBy(ProofSystem settledBy);
    error ModelTooLarge(ModelId modelId, uint256 traceDepth, uint256 maximum);

    /// @notice Challenges a claim before its deadline, with a bond of `challengerBond()`. One game for each challenger.
    function open(Claim calldata claim_) external payable;

    /// @notice Reveals what lies below the disputed node of a game. Anybody may: it authenticates itself.
    /// @param level How many times the game has been revealed and chosen so far.
    /// @param position The disputed node's place from the left at its height.
    /// @param nodes The hashes of its descendants 4 levels below (at level 0, as many below as makes the rest divide by
    /// 4), or, in the last round, the leaves themselves; then, from level 1 on, the siblings that lead from the disputed
    /// node to the node revealed before.
    function reveal(bytes32 claimId, address challenger, uint256 level, uint256 position, bytes calldata nodes) external;

    /// @notice The challenger names the leftmost child that differs from its own.
    /// @param level As in the reveal before.
    /// @param position As in the reveal before.
    /// @param child Its place among the revealed hashes.
    function choose(bytes32 claimId, uint256 level, uint256 position, uint256 child) external;

    /// @notice The challenger has one cell of the disputed leaf recomputed: another value and the asserter loses, the
    /// same and the challenger loses. Any other cell of the trace as well, at any time, by an opening up to the trace's
    /// root. The game must stand since an earlier block.
    /// @param leaf The leaf that the cell lies in (its 128 bytes), then its siblings: after the last reveal, up to the node
    /// revealed; at any time, up to the trace's root.
    /// @param operands As for IOneStep.
    function proveCell(Claim calldata claim_, Cell calldata cell, bytes calldata leaf, bytes calldata operands) external;

    /// @notice Like `proveCell` for an element of the outputs, which stand in the claim itself. No descent is needed; the
    /// game must stand since an earlier block.
    /// @param output The claim's outputs, packed.
    function proveOutput(Claim calldata claim_, bytes calldata output, Cell calldata cell, bytes calldata operands)
        external;

    /// @notice The challenger shows a byte other than zero behind the last element of a tensor: `cell.index` is its place,
    /// in bytes from the tensor's first leaf on. For a leaf behind all tensors `cell.opening` is empty, and `cell.index` counts
    /// from the trace's first leaf on. A zero byte and the challenger loses.
    function provePadding(Claim calldata claim_, Cell calldata cell, bytes calldata leaf) external;

    /// @notice The challenger shows an input element outside its bound, or a byte other than zero behind an input
    /// tensor: place `index` in bytes from the input tree's first leaf on. Anything else and the challenger loses.
    /// @param leaf The leaf of the input tree, then its siblings up to the root.
    function proveInput(Claim calldata claim_, uint256 index, bytes calldata leaf) external;

    /// @notice Ends a game whose next move is overdue: who should have moved loses.
    function expire(Claim calldata claim_, address challenger) external;

    /// @notice Makes a claim final by a validity proof, if the claim says that its proof system may.
    /// @param output The claim's outputs, packed.
    /// @param proof The four bytes of the proof system and the tier's own bytes, a proof for anyone.
    function settle(Claim calldata claim_, bytes calldata output, bytes calldata proof) external;

    /// @notice Pays out a game that was still open when its claim was resolved.
    function close(Claim calldata claim_, address challenger) external;

    /// @notice The state of a claim: what has become of it, when it can no longer be challenged, how many games are
    /// not closed, and what is left to refund gas from.
    function stateOf(bytes32 claimId)
        external
        view
        returns (ClaimStatus status, uint256 deadline, uint256 games, uint256 pot);

    /// @notice What the tier was deployed with.
    function parameters() external view returns (DisputeParameters memory);

    /// @notice What a challenge costs as a bond, in wei.
    function challengerBond() external view returns (uint256);

    /// @notice The state of a game: whose turn, until when, how many rounds are done, and the disputed node's place.
    function gameOf(bytes32 claimId, address challenger)
        external
        view
        returns (Turn turn, uint256 deadline, uint256 level, uint256 position);
}
