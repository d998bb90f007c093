// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {Cell, DisputeParameters, IDisputeTier, Turn} from "../interfaces/IDisputeTier.sol";
import {IClaimTier} from "../interfaces/IClaimTier.sol";
import {IInferenceVerifier} from "../interfaces/IInferenceVerifier.sol";
import {IModelRegistry} from "../interfaces/IModelRegistry.sol";
import {IOneStep, Trees} from "../interfaces/IOneStep.sol";
import {CircuitHeader} from "../libraries/CircuitHeader.sol";
import {PackedOutputs} from "../libraries/PackedOutputs.sol";
import {Claim, ClaimStatus} from "../types/Claim.sol";
import {ClaimState, ClaimStateLibrary} from "../types/ClaimState.sol";
import {DisputedModel, DisputedModelLibrary, ModelParts} from "../types/DisputedModel.sol";
import {GameState, GameStateLibrary} from "../types/GameState.sol";
import {ModelId} from "../types/ModelId.sol";
import {ProofSystem} from "../types/ProofSystem.sol";
import {CreditLedger} from "./CreditLedger.sol";
import {Descent} from "./Descent.sol";
import {Grounds} from "./Grounds.sol";
import {Posting} from "./Posting.sol";
import {Subtree} from "./Subtree.sol";

/// @title Claims settled by dispute
/// @notice There is no owner, and nothing to upgrade. See IDisputeTier for the moves and the invariants.
contract DisputeTier is IDisputeTier, CreditLedger {
    using CircuitHeader for bytes;

    struct Game {
        bytes32 node;
        GameState state;
    }

    /// @dev A challenger's game about to be decided.
    struct Attempt {
        bytes32 claimId;
        GameState game;
        uint256 gas; // left when the move began
        ModelParts model;
        uint256 index; // the cell in question,
        int256 claimed; // and what it is by the claim
    }

    /// @dev What a transaction costs at least beside what it executes: itself, and each byte of calldata.
    uint256 private constant TRANSACTION_GAS = 21_000;
    uint256 private constant CALLDATA_GAS = 4;

    IModelRegistry public immutable REGISTRY;
    IInferenceVerifier public immutable VERIFIER;
    IOneStep public immutable ONE_STEP;
    uint256 private immutable MIN_BOND;
    uint256 private immutable CHALLENGER_BOND;
    uint256 private immutable MIN_WINDOW;
    uint256 private immutable ASSERTER_TIME;
    uint256 private immutable CHALLENGER_TIME;
    uint256 private immutable EXTENSION;

    mapping(bytes32 claimId => ClaimState) private _claims;
    mapping(bytes32 claimId => mapping(address challenger => Game)) private _games;
    mapping(ModelId => DisputedModel) private _models;

    constructor(
        IModelRegistry registry,
        IInferenceVerifier verifier,
        IOneStep oneStep,
        DisputeParameters memory chosen
    ) {
        REGISTRY = registry;
        VERIFIER = verifier;
        ONE_STEP = oneStep;
        MIN_BOND = chosen.minBond;
        CHALLENGER_BOND = chosen.challengerBond;
        MIN_WINDOW = chosen.minWindow;
        ASSERTER_TIME = chosen.asserterTime;
        CHALLENGER_TIME = chosen.challengerTime;
        EXTENSION = chosen.extension;
    }

    // ---- Claims

    /// @inheritdoc IClaimTier
    function claim(Claim calldata claim_, bytes calldata output, bytes calldata input)
        external
        payable
        override
        returns (bytes32)
    {
        Posting.requireOwn(claim_);
        DisputedModel model = _model(claim_.modelId);
        Posting.requireInput(claim_, model.read().header, input);
        emit InputPosted(claim_.input, input);
        return _post(claim_, model, output);
    }

    /// @inheritdoc IClaimTier
    function claimFor(Claim calldata claim_, bytes calldata output) external payable override returns (bytes32) {
        Posting.requireVouched(claim_);
        return _post(claim_, _model(claim_.modelId), output);
    }

    /// @inheritdoc IClaimTier
    function finalise(Claim calldata claim_) external override {
        (bytes32 claimId, ClaimState state) = _provisional(claim_);
        if (block.timestamp < state.deadline()) revert ClaimPending(claimId, state.deadline());
        if (state.games() != 0) revert GameStillDecides(claimId);
        _stand(claim_, claimId, state);
    }

    /// @inheritdoc IDisputeTier
    function settle(Claim calldata claim_, bytes calldata output, bytes calldata proof) external override {
        (bytes32 claimId, ClaimState state) = _provisional(claim_);
        Posting.requireOutput(claim_, output);
        // No proof system's name is zero, so that a claim that names none is settled by no proof.
        if (proof.length < 4 || !(ProofSystem.wrap(bytes4(proof[:4])) == claim_.settledBy)) {
            revert NotSettledBy(claim_.settledBy);
        }
        bytes memory words = PackedOutputs.toWords(_model(claim_.modelId).read().header, output);
        VERIFIER.checkInferenceFor(claim_.modelId, claim_.input, words, proof, address(0));
        _stand(claim_, claimId, state);
    }

    // ---- The game

    /// @inheritdoc IDisputeTier
    function open(Claim calldata claim_) external payable override {
        uint256 gas = gasleft();
        (bytes32 claimId, ClaimState state) = _provisional(claim_);
        if (block.timestamp >= state.deadline()) revert WindowOver(state.deadline());
        if (msg.value != CHALLENGER_BOND) revert WrongBond(CHALLENGER_BOND, msg.value);
        Game storage game = _games[claimId][msg.sender];
        if (game.state.turn() != Turn.NONE) revert GameExists(claimId, msg.sender);

        _claims[claimId] = state.withGame();
        game.node = claim_.trace;
        uint256 depth = _models[claim_.modelId].traceDepth();
        emit GameOpened(claimId, msg.sender);
        _charge(game, GameStateLibrary.opened(depth, ASSERTER_TIME, CHALLENGER_TIME, EXTENSION), gas);
    }

    /// @inheritdoc IDisputeTier
    function reveal(bytes32 claimId, address challenger, uint256 level, uint256 position, bytes calldata nodes)
        external
        override
    {
        (Game storage game, GameState state) = _turnOf(claimId, challenger, Turn.REVEAL, level, position);
        uint256 depth = state.depth();
        bytes32 node = Descent.check(depth, level, position, nodes, game.node);
        if (level != 0) game.node = node;
        game.state = state.revealed(Descent.isLast(depth, level), EXTENSION);
        emit Revealed(claimId, challenger, level, position, nodes);
    }

    /// @inheritdoc IDisputeTier
    function choose(bytes32 claimId, uint256 level, uint256 position, uint256 child) external override {
        uint256 gas = gasleft();
        (Game storage game, GameState state) = _turnOf(claimId, msg.sender, Turn.CHOOSE, level, position);
        uint256 levels = Descent.levels(state.depth(), level);
        if (child >> levels != 0) revert WrongChild(child, 1 << levels);
        state = state.chosen(child, levels, EXTENSION);
        emit Chosen(claimId, msg.sender, state.level(), state.position());
        _charge(game, state, gas);
    }

    /// @inheritdoc IDisputeTier
    function proveCell(Claim calldata claim_, Cell calldata cell, bytes calldata leaf, bytes calldata operands)
        external
        override
    {
        Attempt memory attempt = _attempt(claim_);
        bytes calldata record = Grounds.traceRecord(attempt.model, cell);
        attempt.index = cell.index;
        attempt.claimed = _element(claim_, attempt, record, leaf);
        _judge(claim_, attempt, record, operands);
    }

    /// @inheritdoc IDisputeTier
    function proveOutput(Claim calldata claim_, bytes calldata output, Cell calldata cell, bytes calldata operands)
        external
        override
    {
        Attempt memory attempt = _attempt(claim_);
        Posting.requireOutput(claim_, output);
        bytes calldata record = Grounds.outputRecord(attempt.model, cell);
        attempt.index = cell.index;
        attempt.claimed = Grounds.element(record, output, Grounds.outputOffset(attempt.model, record, cell.index));
        _judge(claim_, attempt, record, operands);
    }

    /// @inheritdoc IDisputeTier
    function provePadding(Claim calldata claim_, Cell calldata cell, bytes calldata leaf) external override {
        Attempt memory attempt = _attempt(claim_);
        uint256 index = Grounds.paddingByte(attempt.model, cell);
        _requireLeaf(claim_, attempt, index / Subtree.LEAF_BYTES, leaf);
        _decide(claim_, attempt, leaf[index % Subtree.LEAF_BYTES] != 0);
    }

    /// @inheritdoc IDisputeTier
    function proveInput(Claim calldata claim_, uint256 index, bytes calldata leaf) external override {
        Attempt memory attempt = _attempt(claim_);
        bytes memory header = attempt.model.header;
        Grounds.requireLeaf(claim_.input, header.inputDepth(), index / Subtree.LEAF_BYTES, leaf);
        _decide(claim_, attempt, Grounds.inputIsBad(header, index, leaf));
    }

    /// @inheritdoc IDisputeTier
    function expire(Claim calldata claim_, address challenger) external override {
        (bytes32 claimId, ClaimState state) = _provisional(claim_);
        GameState game = _games[claimId][challenger].state;
        Turn turn = game.turn();
        if (turn == Turn.NONE || turn == Turn.CLOSED) revert NotThisTurn(turn);
        if (block.timestamp <= game.due()) revert MoveNotDue(game.due());
        if (turn == Turn.REVEAL) _fall(claim_, claimId, state, challenger, game);
        else _lose(claim_, claimId, state, challenger, game);
    }

    /// @inheritdoc IDisputeTier
    function close(Claim calldata claim_, address challenger) external override {
        bytes32 claimId = claim_.id();
        ClaimState state = _claims[claimId];
        ClaimStatus status = state.status();
        if (status == ClaimStatus.NONE || status == ClaimStatus.PROVISIONAL) revert GameStillDecides(claimId);
        GameState game = _games[claimId][challenger].state;
        Turn turn = game.turn();
        if (turn == Turn.NONE || turn == Turn.CLOSED) revert NotThisTurn(turn);
        if (status == ClaimStatus.FINAL) _lose(claim_, claimId, state, challenger, game);
        else _win(claimId, state, challenger, game, 0);
    }

    // ---- Views

    /// @inheritdoc IClaimTier
    function claimIdOf(Claim calldata claim_) external view override returns (bytes32) {
        return claim_.id();
    }

    /// @inheritdoc IClaimTier
    function statusOf(bytes32 claimId) external view override returns (ClaimStatus) {
        return _claims[claimId].status();
    }

    /// @inheritdoc IDisputeTier
    function stateOf(bytes32 claimId) external view override returns (ClaimStatus, uint256, uint256, uint256) {
        ClaimState state = _claims[claimId];
        return (state.status(), state.deadline(), state.games(), state.pot());
    }

    /// @inheritdoc IDisputeTier
    function gameOf(bytes32 claimId, address challenger)
        external
        view
        override
        returns (Turn, uint256, uint256, uint256)
    {
        GameState state = _games[claimId][challenger].state;
        return (state.turn(), state.due(), state.level(), state.position());
    }

    /// @inheritdoc IClaimTier
    function longest(ModelId modelId, uint32 window) external view override returns (uint256) {
        DisputedModel model = _models[modelId];
        uint256 depth = DisputedModel.unwrap(model) != 0
            ? model.traceDepth()
            : REGISTRY.getModel(modelId).registration.header.traceDepth();
        return window + ASSERTER_TIME + CHALLENGER_TIME + 2 * Descent.rounds(depth) * EXTENSION;
    }

    /// @inheritdoc IDisputeTier
    function challengerBond() external view override returns (uint256) {
        return CHALLENGER_BOND;
    }

    /// @inheritdoc IDisputeTier
    function parameters() external view override returns (DisputeParameters memory) {
        return DisputeParameters({
            minBond: uint96(MIN_BOND),
            challengerBond: uint96(CHALLENGER_BOND),
            minWindow: uint32(MIN_WINDOW),
            asserterTime: uint32(ASSERTER_TIME),
            challengerTime: uint32(CHALLENGER_TIME),
            extension: uint32(EXTENSION)
        });
    }

    // ---- Claims, inside

    function _post(Claim calldata claim_, DisputedModel model, bytes calldata output)
        private
        returns (bytes32 claimId)
    {
        Posting.requireTerms(claim_, MIN_BOND, MIN_WINDOW);
        if (output.length != model.outputBytes()) revert WrongOutputLength(model.outputBytes(), output.length);
        Posting.requireOutput(claim_, output);
        claimId = claim_.id();
        if (_claims[claimId].status() != ClaimStatus.NONE) revert ClaimExists(claimId);
        _claims[claimId] = ClaimStateLibrary.provisional(block.timestamp + claim_.window);
        emit ClaimPosted(claimId, claim_.modelId, claim_.asserter, claim_, output);
    }

    /// @dev The model of an id, copied from the registry if this is its first claim.
    function _model(ModelId modelId) private returns (DisputedModel model) {
        model = _models[modelId];
        if (DisputedModel.unwrap(model) == 0) {
            model = DisputedModelLibrary.copyFrom(REGISTRY, modelId);
            _models[modelId] = model;
        }
    }

    function _provisional(Claim calldata claim_) private view returns (bytes32 claimId, ClaimState state) {
        claimId = claim_.id();
        state = _requireProvisional(claimId);
    }

    function _requireProvisional(bytes32 claimId) private view returns (ClaimState state) {
        state = _claims[claimId];
        if (state.status() != ClaimStatus.PROVISIONAL) revert ClaimNotProvisional(claimId, state.status());
    }

    /// @dev The claim stands. Its bond goes back.
    function _stand(Claim calldata claim_, bytes32 claimId, ClaimState state) private {
        _claims[claimId] = state.resolved(ClaimStatus.FINAL);
        _credit(claim_.asserter, claim_.bond);
        emit ClaimFinal(claimId);
    }

    // ---- The game, inside

    /// @dev The game if it is at this place and the move is in time.
    function _turnOf(bytes32 claimId, address challenger, Turn turn, uint256 level, uint256 position)
        private
        view
        returns (Game storage game, GameState state)
    {
        _requireProvisional(claimId);
        game = _games[claimId][challenger];
        state = game.state;
        if (state.turn() != turn) revert NotThisTurn(state.turn());
        if (state.level() != level || state.position() != position) {
            revert WrongPlace(state.level(), state.position());
        }
        _requireInTime(state);
    }

    /// @dev The caller's game, if it may prove something. A proof made while the asserter has the move is never late.
    /// A game that stands since an earlier block cannot have been opened by somebody who saw the proof coming.
    function _attempt(Claim calldata claim_) private view returns (Attempt memory attempt) {
        attempt.gas = gasleft();
        (attempt.claimId,) = _provisional(claim_);
        GameState game = _games[attempt.claimId][msg.sender].state;
        Turn turn = game.turn();
        if (turn == Turn.NONE || turn == Turn.CLOSED) revert NotThisTurn(turn);
        if (turn != Turn.REVEAL) _requireInTime(game);
        if (game.openedBlock() >= block.number) revert GameTooRecent(game.openedBlock());
        attempt.game = game;
        attempt.model = _models[claim_.modelId].read();
    }

    function _requireInTime(GameState state) private view {
        if (block.timestamp > state.due()) revert MoveTooLate(state.due());
    }

    /// @dev Checks a leaf of the trace against the last node revealed if its siblings are as many as lead there; against
    /// the root if all are there, so that no reveal that comes in between undoes a proof that was on its way.
    function _requireLeaf(Claim calldata claim_, Attempt memory attempt, uint256 index, bytes calldata leaf)
        private
        view
    {
        GameState game = attempt.game;
        if (game.turn() != Turn.PROVE || leaf.length == Grounds.openingBytes(game.depth())) {
            Grounds.requireLeaf(claim_.trace, game.depth(), index, leaf);
            return;
        }
        uint256 levels = Descent.levels(game.depth(), game.level());
        if (index >> levels != game.position()) revert WrongPlace(game.level(), game.position());
        bytes32 node = _games[attempt.claimId][msg.sender].node;
        Grounds.requireLeaf(node, levels, index & ((1 << levels) - 1), leaf);
    }

    /// @dev The cell in question as it stands in a leaf of the trace, which is checked.
    function _element(Claim calldata claim_, Attempt memory attempt, bytes calldata record, bytes calldata leaf)
        private
        view
        returns (int256)
    {
        (uint256 index, uint256 offset) = Grounds.placeOf(record, attempt.index);
        _requireLeaf(claim_, attempt, index, leaf);
        return Grounds.element(record, leaf, offset);
    }

    /// @dev The verdict, by recomputing the cell in question. Operands that allow no value are false by themselves.
    function _judge(Claim calldata claim_, Attempt memory attempt, bytes calldata record, bytes calldata operands)
        private
    {
        ModelParts memory model = attempt.model;
        Trees memory trees = Trees({
            roots: [claim_.trace, claim_.input, model.weightsRoot],
            depths: [model.header.traceDepth(), model.header.inputDepth(), model.header.weightsDepth()]
        });
        (bool exists, int256 value) = ONE_STEP.recompute(record, attempt.index, trees, operands);
        _decide(claim_, attempt, !exists || value != attempt.claimed);
    }

    /// @dev The verdict on the caller's game.
    function _decide(Claim calldata claim_, Attempt memory attempt, bool isFalse) private {
        bytes32 claimId = attempt.claimId;
        ClaimState state = _claims[claimId];
        if (isFalse) _fall(claim_, claimId, state, msg.sender, attempt.game.charged(_costSince(attempt.gas)));
        else _lose(claim_, claimId, state, msg.sender, attempt.game);
    }

    /// @dev The claim falls to a challenger: half of its bond is the challenger's, the other half is burnt but for what
    /// it refunds.
    function _fall(Claim calldata claim_, bytes32 claimId, ClaimState state, address challenger, GameState game)
        private
    {
        uint256 burnt = claim_.bond / 2;
        _win(claimId, state.resolved(ClaimStatus.REVOKED).withPot(burnt), challenger, game, claim_.bond - burnt);
        emit ClaimRevoked(claimId, challenger);
    }

    /// @dev Closes a challenger's game against a fallen claim. Gas is refunded at the base fee, which is burnt by the
    /// chain itself: nobody, whoever makes the blocks, gets anything back that it has not lost.
    function _win(bytes32 claimId, ClaimState state, address challenger, GameState game, uint256 reward) private {
        uint256 refund = game.spent();
        if (refund > state.pot()) refund = state.pot();
        _claims[claimId] = state.withoutGame().withPot(state.pot() - refund);
        _games[claimId][challenger].state = game.closed();
        _credit(challenger, CHALLENGER_BOND + reward + refund);
        emit GameClosed(claimId, challenger, true, refund);
    }

    /// @dev Closes a lost game. Half of the challenger's bond is the asserter's, the rest is burnt.
    function _lose(Claim calldata claim_, bytes32 claimId, ClaimState state, address challenger, GameState game)
        private
    {
        _claims[claimId] = state.withoutGame();
        _games[claimId][challenger].state = game.closed();
        _credit(claim_.asserter, CHALLENGER_BOND - CHALLENGER_BOND / 2);
        emit GameClosed(claimId, challenger, false, 0);
    }

    /// @dev Writes the state of the game after a move of the challenger's, and what the move has cost: once more, so that
    /// the first time is counted too.
    function _charge(Game storage game, GameState state, uint256 gas) private {
        game.state = state;
        game.state = state.charged(_costSince(gas));
    }

    /// @dev What the caller's move has cost it at the base fee, `gas` having been left when it began; never more than it
    /// has. An account without code calls in a transaction that holds nothing else. A contract may have made any number
    /// of moves in one, and paid for none of the bytes that it sends: of its moves only what they execute counts.
    function _costSince(uint256 gas) private view returns (uint256) {
        unchecked {
            uint256 used = gas - gasleft();
            if (msg.sender == tx.origin && msg.sender.code.length == 0) {
                used += TRANSACTION_GAS + CALLDATA_GAS * msg.data.length;
            }
            return used * block.basefee;
        }
    }
}
