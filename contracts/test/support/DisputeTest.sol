// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {Cell, DisputeParameters, Turn} from "../../src/interfaces/IDisputeTier.sol";
import {IInferenceVerifier} from "../../src/interfaces/IInferenceVerifier.sol";
import {IOneStep, Trees} from "../../src/interfaces/IOneStep.sol";
import {DisputeTier} from "../../src/optimistic/DisputeTier.sol";
import {Claim, ClaimStatus} from "../../src/types/Claim.sol";
import {ModelId} from "../../src/types/ModelId.sol";
import {ProofSystem} from "../../src/types/ProofSystem.sol";
import {TierKey} from "../../src/types/TierKey.sol";
import {DictatedOneStep, OneProofInferenceVerifier} from "./DisputeDoubles.sol";
import {PlainTree, PlainTreeLibrary} from "./PlainTree.sol";
import {RegistryTest} from "./RegistryTest.sol";
import {Run, SmallCircuit, SmallCircuitLibrary} from "./SmallCircuit.sol";

/// @notice A claim about a small circuit, and all that both sides know of it.
struct Dispute {
    SmallCircuit circuit;
    ModelId modelId;
    Claim claim;
    bytes32 id;
    Run honest; // what is right
    Run claimed; // what the asserter committed to
    PlainTree right;
    PlainTree theirs;
}

/// @notice Base of the tests of disputes: a tier whose one step is dictated, and every move.
abstract contract DisputeTest is RegistryTest {
    uint96 internal constant BOND = 1 ether + 1;
    uint96 internal constant CHALLENGER_BOND = 0.1 ether + 1;
    uint32 internal constant WINDOW = 1 hours;
    uint32 internal constant ASSERTER_TIME = 600;
    uint32 internal constant CHALLENGER_TIME = 400;
    uint32 internal constant EXTENSION = 60;
    uint256 internal constant START = 1_700_000_000;
    ProofSystem internal constant SYSTEM = ProofSystem.wrap(0x11111111);

    address internal constant ASSERTER = address(0xA55E);
    address internal constant CHALLENGER = address(0xC4A1);
    address internal constant OTHER = address(0x07E8);
    address internal constant ANYBODY = address(0xA117);

    uint256 internal constant Y = 0;
    uint256 internal constant Z = 1;
    uint256 internal constant OUT = 2;

    DictatedOneStep internal oneStep = new DictatedOneStep();
    OneProofInferenceVerifier internal verifier = new OneProofInferenceVerifier();
    DisputeTier internal tier;

    bytes private _refusal;

    constructor() {
        tier = new DisputeTier(registry, verifier, oneStep, _parameters());
        vm.warp(START);
        vm.fee(10 gwei);
        vm.deal(ASSERTER, 1000 ether);
        vm.deal(CHALLENGER, 1000 ether);
        vm.deal(OTHER, 1000 ether);
    }

    function _parameters() internal pure returns (DisputeParameters memory) {
        return DisputeParameters({
            minBond: 1 ether,
            challengerBond: CHALLENGER_BOND,
            minWindow: WINDOW,
            asserterTime: ASSERTER_TIME,
            challengerTime: CHALLENGER_TIME,
            extension: EXTENSION
        });
    }

    // ---- Claims

    /// @dev A registered circuit and a claim about it that is not posted yet. The cell `cell` of its first tensor is
    /// `delta` off.
    function _dispute(uint256 rows, uint256 outputs, uint256 cell, int256 delta) internal returns (Dispute memory d) {
        d.circuit = SmallCircuitLibrary.build(rows, outputs);
        entry.header = d.circuit.header;
        entry.opsRoot = d.circuit.ops.root();
        entry.weightsRoot = PlainTreeLibrary.overLeaves("", 0).root();
        entry.contentHash = keccak256(abi.encode(entry.contentHash)); // so that no two models are the same
        d.modelId = _register();
        bytes memory input = SmallCircuitLibrary.inputOf(rows);
        d.honest = d.circuit.run(input, 0, 0);
        d.claimed = d.circuit.run(input, cell, delta);
        d.right = PlainTreeLibrary.overLeaves(d.honest.trace, d.circuit.depth);
        _commit(d);
    }

    /// @dev A claim that is posted, of a circuit with ten outputs.
    function _posted(uint256 rows, uint256 cell, int256 delta) internal returns (Dispute memory d) {
        d = _dispute(rows, 10, cell, delta);
        _post(d);
    }

    /// @dev Makes the claim on what its asserter has computed.
    function _commit(Dispute memory d) internal view {
        d.theirs = PlainTreeLibrary.overLeaves(d.claimed.trace, d.circuit.depth);
        d.claim = Claim({
            modelId: d.modelId,
            input: _inputTree(d).root(),
            trace: d.theirs.root(),
            asserter: ASSERTER,
            source: address(0),
            bond: BOND,
            window: WINDOW,
            settledBy: ProofSystem.wrap(0),
            outputHash: keccak256(d.claimed.output)
        });
        d.id = tier.claimIdOf(d.claim);
    }

    /// @dev Commits to another trace, byte for byte.
    function _commitTo(Dispute memory d, PlainTree memory trace) internal view {
        d.theirs = trace;
        d.claim.trace = trace.root();
        d.id = tier.claimIdOf(d.claim);
    }

    function _inputTree(Dispute memory d) internal pure returns (PlainTree memory) {
        return PlainTreeLibrary.overLeaves(bytes.concat(d.claimed.input, new bytes(64)), 0);
    }

    function _post(Dispute memory d) internal {
        _as(ASSERTER);
        tier.claim{value: d.claim.bond}(d.claim, d.claimed.output, d.claimed.input);
    }

    // ---- Moves

    /// @dev The next move is to be refused with this error, or any of this selector.
    function _refuses(bytes memory refusal) internal {
        _refusal = refusal;
    }

    /// @dev Who makes the next call.
    function _as(address account) internal {
        if (_refusal.length == 4) vm.expectPartialRevert(bytes4(_refusal));
        else if (_refusal.length != 0) vm.expectRevert(_refusal);
        delete _refusal;
        vm.prank(account, account);
    }

    /// @dev Opens a game, and ends the block.
    function _open(Dispute memory d, address challenger) internal {
        _as(challenger);
        tier.open{value: CHALLENGER_BOND}(d.claim);
        _nextBlock();
    }

    function _reveal(Dispute memory d, address challenger) internal {
        (,, uint256 level, uint256 position) = tier.gameOf(d.id, challenger);
        _as(ANYBODY);
        tier.reveal(d.id, challenger, level, position, d.theirs.revealed(level, position));
    }

    function _choose(Dispute memory d, address challenger) internal {
        (,, uint256 level, uint256 position) = tier.gameOf(d.id, challenger);
        _choose(d, challenger, d.right.firstDifference(d.theirs, level, position));
    }

    function _choose(Dispute memory d, address challenger, uint256 child) internal {
        (,, uint256 level, uint256 position) = tier.gameOf(d.id, challenger);
        _as(challenger);
        tier.choose(d.id, level, position, child);
    }

    /// @dev Plays a game up to its last reveal.
    function _descend(Dispute memory d, address challenger) internal {
        _reveal(d, challenger);
        while (_turn(d, challenger) == Turn.CHOOSE) {
            _choose(d, challenger);
            _reveal(d, challenger);
        }
    }

    /// @dev The proof about a cell, by the leaf's siblings up to the node that `levels` levels lead to.
    function _proveCell(Dispute memory d, address challenger, uint256 tensor, uint256 index, uint256 levels) internal {
        bytes memory leaf = d.theirs.opening(_leafOf(d, tensor, index), levels);
        bytes memory operands = _operands(d, tensor, index);
        _as(challenger);
        tier.proveCell(d.claim, _cell(d, tensor, index), leaf, operands);
    }

    /// @dev The proof about a cell, up to the trace's root.
    function _proveCell(Dispute memory d, address challenger, uint256 tensor, uint256 index) internal {
        _proveCell(d, challenger, tensor, index, d.circuit.depth);
    }

    function _proveOutput(Dispute memory d, address challenger, uint256 index) internal {
        bytes memory operands = _operands(d, OUT, index);
        _as(challenger);
        tier.proveOutput(d.claim, d.claimed.output, _cell(d, OUT, index), operands);
    }

    function _expire(Dispute memory d, address challenger) internal {
        _as(ANYBODY);
        tier.expire(d.claim, challenger);
    }

    function _close(Dispute memory d, address challenger) internal {
        _as(ANYBODY);
        tier.close(d.claim, challenger);
    }

    function _settle(Dispute memory d) internal {
        bytes memory proof = abi.encodePacked(d.claim.settledBy, "proof");
        verifier.expect(d.modelId, d.claim.input, _words(d.claimed.output), proof);
        _as(ANYBODY);
        tier.settle(d.claim, d.claimed.output, proof);
    }

    // ---- Parts of moves

    function _cell(Dispute memory d, uint256 tensor, uint256 index) internal pure returns (Cell memory) {
        uint256 record = d.circuit.recordOf(tensor);
        return Cell(record, index, d.circuit.ops.opening(record, d.circuit.ops.depthOf()));
    }

    function _leafOf(Dispute memory d, uint256 tensor, uint256 index) internal pure returns (uint256) {
        return (tensor == Y ? 0 : d.circuit.rows) + 2 * index / 128;
    }

    /// @dev Operands with which the one step answers what follows from the asserter's own trace.
    function _operands(Dispute memory d, uint256 tensor, uint256 index) internal view virtual returns (bytes memory) {
        int256 value = d.circuit.recompute(d.claimed, d.circuit.recordOf(tensor), index);
        return _dictate(d, tensor, index, true, value);
    }

    function _dictate(Dispute memory d, uint256 tensor, uint256 index, bool exists, int256 value)
        internal
        view
        returns (bytes memory)
    {
        Trees memory trees = Trees({
            roots: [d.claim.trace, d.claim.input, PlainTreeLibrary.overLeaves("", 0).root()],
            depths: [d.circuit.depth, uint256(0), uint256(0)]
        });
        bytes memory record = d.circuit.records[d.circuit.recordOf(tensor)];
        return abi.encode(oneStep.questionOf(record, index, trees), exists, value);
    }

    /// @dev Outputs as proofs have them.
    function _words(bytes memory output) internal pure returns (bytes memory) {
        int256[] memory values = new int256[](output.length / 2);
        for (uint256 i = 0; i < values.length; ++i) {
            values[i] = SmallCircuitLibrary.get(output, 2 * i);
        }
        return abi.encode(values);
    }

    // ---- What is so

    function _turn(Dispute memory d, address challenger) internal view returns (Turn turn) {
        (turn,,,) = tier.gameOf(d.id, challenger);
    }

    function _due(Dispute memory d, address challenger) internal view returns (uint256 due) {
        (, due,,) = tier.gameOf(d.id, challenger);
    }

    function _assertStatus(Dispute memory d, ClaimStatus status) internal view {
        vm.assertEq(uint256(tier.statusOf(d.id)), uint256(status));
    }

    function _assertTurn(Dispute memory d, address challenger, Turn turn) internal view {
        vm.assertEq(uint256(_turn(d, challenger)), uint256(turn));
    }

    function _nextBlock() internal {
        vm.roll(block.number + 1);
    }
}
