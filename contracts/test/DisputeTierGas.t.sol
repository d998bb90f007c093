// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {Cell, DisputeParameters, Turn} from "../src/interfaces/IDisputeTier.sol";
import {IInferenceVerifier} from "../src/interfaces/IInferenceVerifier.sol";
import {DisputeTier} from "../src/optimistic/DisputeTier.sol";
import {OneStep} from "../src/optimistic/OneStep.sol";
import {Claim, ClaimStatus} from "../src/types/Claim.sol";
import {ModelId} from "../src/types/ModelId.sol";
import {ProofSystem} from "../src/types/ProofSystem.sol";
import {Headers} from "./support/Headers.sol";
import {LargeCircuit} from "./support/LargeCircuit.sol";
import {PlainTreeLibrary} from "./support/PlainTree.sol";
import {RegistryTest} from "./support/RegistryTest.sol";
import {SparseTree} from "./support/SparseTree.sol";

/// @notice What each transaction of a dispute costs, all told, on a circuit as large as ResNet-50: 2^18 leaves of trace and
/// 2^19 of weights. Each is given twice: as gas goes now, with calldata at 16 gas a byte and 4 a zero byte; and if no
/// byte of calldata costs less than 64.
/// forge-config: default.isolate = true
contract DisputeTierGasTest is RegistryTest {
    address private constant ASSERTER = address(0xa55E000000000000000000000000000000000001);
    address private constant CHALLENGER = address(0xc4A1000000000000000000000000000000000001);
    address private constant OTHER = address(0x07E8000000000000000000000000000000000001);
    uint96 private constant CHALLENGER_BOND = 0.1 ether;

    DisputeTier private tier;
    ModelId private modelId;
    Claim private claim_;
    bytes32 private id;
    uint96 private bond = 1 ether;

    function setUp() public {
        tier = new DisputeTier(
            registry,
            IInferenceVerifier(address(0)),
            new OneStep(),
            DisputeParameters(1 ether, CHALLENGER_BOND, 1 hours, 1 days, 1 days, 1 hours)
        );
        entry.header = LargeCircuit.circuitHeader();
        entry.opsRoot = LargeCircuit.ops().root();
        entry.weightsRoot = LargeCircuit.weights().root();
        modelId = _register();
        vm.deal(ASSERTER, 100 ether);
        vm.deal(CHALLENGER, 100 ether);
        vm.deal(OTHER, 100 ether);
        _post(keccak256("any trace"), "claim, the first of a model");
    }

    function test_gas_claims() public {
        _post(keccak256("a trace"), "claim, 64 inputs of one byte and 100 outputs of two");
        vm.warp(block.timestamp + 1 hours);
        _record("finalise", OTHER, 0, abi.encodeCall(tier.finalise, (claim_)));
        _record("withdraw", ASSERTER, 0, abi.encodeCall(tier.withdraw, (payable(ASSERTER))));
    }

    function test_gas_games() public {
        SparseTree memory trace = LargeCircuit.trace(LargeCircuit.CONV);
        _post(trace.root(), "");
        _record("open", CHALLENGER, CHALLENGER_BOND, abi.encodeCall(tier.open, (claim_)));
        _send(OTHER, CHALLENGER_BOND, abi.encodeCall(tier.open, (claim_)));
        _descend(trace, LargeCircuit.place(LargeCircuit.CONV), true);
        (, uint256 due,,) = tier.gameOf(id, OTHER);
        vm.warp(due + 1);
        _record("expire", ASSERTER, 0, abi.encodeCall(tier.expire, (claim_, OTHER)));
        vm.assertEq(uint256(tier.statusOf(id)), uint256(ClaimStatus.REVOKED));
        _record("close", OTHER, 0, abi.encodeCall(tier.close, (claim_, CHALLENGER)));
    }

    function test_gas_table() public {
        _prove(LargeCircuit.TABLE, "proveCell, a table");
    }

    function test_gas_dense() public {
        _prove(LargeCircuit.DENSE, "proveCell, 64 products");
    }

    function test_gas_pool() public {
        _prove(LargeCircuit.POOL, "proveCell, the largest of 3 x 3");
    }

    function test_gas_divide() public {
        _prove(LargeCircuit.RATIO, "proveCell, a division");
    }

    function test_gas_conv() public {
        _prove(LargeCircuit.CONV, "proveCell, 4608 products");
    }

    function _prove(uint256 record, string memory name) private {
        SparseTree memory trace = LargeCircuit.trace(record);
        _post(trace.root(), "");
        _send(CHALLENGER, CHALLENGER_BOND, abi.encodeCall(tier.open, (claim_)));
        uint256 place = LargeCircuit.place(record);
        _descend(trace, place, false);
        vm.roll(block.number + 1);
        Cell memory cell = Cell(record, LargeCircuit.CELL, LargeCircuit.ops().path(record, LargeCircuit.OPS_DEPTH));
        bytes memory data =
            abi.encodeCall(tier.proveCell, (claim_, cell, trace.path(place, 4), LargeCircuit.operands(record, trace)));
        _record(name, CHALLENGER, 0, data);
        vm.assertEq(uint256(tier.statusOf(id)), uint256(ClaimStatus.REVOKED));
    }

    function _descend(SparseTree memory trace, uint256 place, bool measured) private {
        uint256 depth = LargeCircuit.TRACE_DEPTH;
        for (uint256 level = 0;; ++level) {
            uint256 height = PlainTreeLibrary.heightAt(depth, level);
            uint256 below = PlainTreeLibrary.heightAt(depth, level + 1);
            uint256 above = level == 0 ? height : PlainTreeLibrary.heightAt(depth, level - 1);
            bytes memory nodes = trace.revealed(above, height, below, place >> height);
            bytes memory data = abi.encodeCall(tier.reveal, (id, CHALLENGER, level, place >> height, nodes));
            if (measured && level == 2) _record("reveal, hashes", ASSERTER, 0, data);
            else if (measured && below == 0) _record("reveal, leaves", ASSERTER, 0, data);
            else _send(ASSERTER, 0, data);
            if (below == 0) return;
            data = abi.encodeCall(tier.choose, (id, level, place >> height, (place >> below) % (1 << (height - below))));
            if (measured && level == 2) _record("choose", CHALLENGER, 0, data);
            else _send(CHALLENGER, 0, data);
        }
    }

    /// @dev Claims differ by their bonds. One without a name is not recorded.
    function _post(bytes32 trace, string memory name) private {
        bytes memory input = LargeCircuit.noise("input", 64);
        bytes memory output = LargeCircuit.noise("output", 200);
        claim_ = Claim({
            modelId: modelId,
            input: PlainTreeLibrary.overLeaves(bytes.concat(input, new bytes(64)), 0).root(),
            trace: trace,
            asserter: ASSERTER,
            source: address(0),
            bond: ++bond,
            window: 1 hours,
            settledBy: ProofSystem.wrap(0),
            outputHash: keccak256(output)
        });
        id = tier.claimIdOf(claim_);
        bytes memory data = abi.encodeCall(tier.claim, (claim_, output, input));
        if (bytes(name).length == 0) _send(ASSERTER, bond, data);
        else _record(name, ASSERTER, bond, data);
    }

    function _record(string memory name, address from, uint256 value, bytes memory data) private {
        uint256 gas = _send(from, value, data);
        uint256 floor = 21_000 + 64 * data.length;
        vm.snapshotValue("DisputeTier", name, gas);
        vm.snapshotValue("DisputeTier", string.concat(name, ", at 64 a byte"), gas < floor ? floor : gas);
    }

    /// @dev The gas of a transaction, in isolation.
    function _send(address from, uint256 value, bytes memory data) private returns (uint256) {
        vm.prank(from, from);
        (bool done, bytes memory result) = address(tier).call{value: value}(data);
        if (!done) {
            assembly ("memory-safe") {
                revert(add(result, 32), mload(result))
            }
        }
        return vm.lastCallGas().gasTotalUsed;
    }
}
