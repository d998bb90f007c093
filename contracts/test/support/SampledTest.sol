// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {ISampledTier} from "../../src/interfaces/ISampledTier.sol";
import {ITierVerifier} from "../../src/interfaces/ITierVerifier.sol";
import {InferenceVerifier} from "../../src/InferenceVerifier.sol";
import {InputTree} from "../../src/libraries/InputTree.sol";
import {PackedOutputs} from "../../src/libraries/PackedOutputs.sol";
import {SampledTier} from "../../src/optimistic/SampledTier.sol";
import {Claim} from "../../src/types/Claim.sol";
import {ModelId} from "../../src/types/ModelId.sol";
import {ProofSystem} from "../../src/types/ProofSystem.sol";
import {TierKey} from "../../src/types/TierKey.sol";
import {BlockHeaders} from "./BlockHeaders.sol";
import {HashTier} from "./HashTier.sol";
import {Headers} from "./Headers.sol";
import {RegistryTest} from "./RegistryTest.sol";

/// @notice Cheat codes for blocks.
interface VmBlocks {
    function setBlockhash(uint256 blockNumber, bytes32 blockHash) external;
    function startPrank(address sender) external;
    function stopPrank() external;
    function snapshotState() external returns (uint256);
    function revertToState(uint256 state) external returns (bool);
}

/// @notice Base of the tests that make claims to be proved: a model of four inputs of one byte and two outputs of two
/// bytes, whose proofs are hashes of statements.
abstract contract SampledTest is RegistryTest {
    VmBlocks internal constant vmBlocks = VmBlocks(address(vm));
    ProofSystem internal constant SYSTEM = ProofSystem.wrap(0x11111111);
    uint96 internal constant BOND = 1 ether + 1;
    uint96 internal constant PRICE = 0.25 ether;
    uint32 internal constant WINDOW = 1000;
    uint32 internal constant PROOF_WINDOW = 500;
    uint8 internal constant LOOKAHEAD = 128;
    bytes internal constant INPUT = hex"01fe03fc";
    bytes internal constant OUTPUT = hex"007bff85"; // 123, -123
    bytes internal constant WRONG_OUTPUT = hex"007cff85";
    address internal constant ALICE = address(0xA11CE);
    address internal constant BOB = address(0xB0B);
    address internal constant CAROL = address(0xCA401);

    InferenceVerifier internal verifier;
    SampledTier internal tier;
    ModelId internal modelId;
    bytes32 internal root;

    function _setUpTier(uint16 share, uint8 lookahead) internal {
        ITierVerifier[] memory tiers = new ITierVerifier[](1);
        tiers[0] = new HashTier();
        verifier = new InferenceVerifier(registry, tiers);
        entry.header = Headers.vectors(4, -100, 100, 2, -1000, 1000);
        entry.tiers.push(TierKey(SYSTEM, address(0), bytes32(0), keccak256("key")));
        modelId = _register();
        root = this.rootOf(entry.header, INPUT);
        tier = new SampledTier(
            registry, verifier, ISampledTier.Parameters(1 ether, WINDOW, PROOF_WINDOW, share, lookahead)
        );
        vm.warp(1_000_000);
        vm.roll(1000);
        vm.deal(ALICE, 1000 ether);
        vm.deal(BOB, 1000 ether);
        vm.deal(CAROL, 1000 ether);
    }

    function rootOf(bytes memory header, bytes calldata input) external pure returns (bytes32) {
        return InputTree.commitmentOfPacked(header, input);
    }

    function toWords(bytes memory header, bytes calldata output) external pure returns (bytes memory) {
        return PackedOutputs.toWords(header, output);
    }

    /// @dev A proof of `output` on an input for `recipient`.
    function _proof(bytes32 input, bytes memory output, address recipient) internal view returns (bytes memory) {
        bytes memory words = this.toWords(entry.header, output);
        return abi.encodePacked(SYSTEM, keccak256(abi.encode(input, words, recipient)));
    }

    function _enrol(address asserter, uint32 capacity, uint96 price) internal {
        bytes memory proof = _proof(root, OUTPUT, asserter);
        vm.prank(asserter);
        tier.enrol(modelId, SYSTEM, capacity, price, root, OUTPUT, proof);
    }

    /// @dev Alice's claim on the posted input.
    function _claim(bytes memory output) internal view returns (Claim memory) {
        return Claim({
            modelId: modelId,
            input: root,
            trace: bytes32(0),
            asserter: ALICE,
            source: address(0),
            bond: BOND,
            window: WINDOW,
            settledBy: SYSTEM,
            outputHash: keccak256(output)
        });
    }

    function _outstanding(address asserter) internal view returns (uint256) {
        return tier.enrolmentOf(asserter, modelId, SYSTEM).outstanding;
    }

    /// @dev Gives a block that is over the header with a mix, and returns it.
    function _mixed(uint256 number, bytes32 prevRandao) internal returns (bytes memory header) {
        header = BlockHeaders.build(number, prevRandao);
        vmBlocks.setBlockhash(number, keccak256(header));
    }

    /// @dev Whether a claim of block `posted` is selected, at a share of a quarter.
    function _selects(bytes32 claimId, bytes32 prevRandao, uint256 posted) internal view returns (bool) {
        return uint256(keccak256(abi.encode(claimId, prevRandao, blockhash(posted)))) % 65_536 < 1 << 14;
    }
}
