// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IERC7992Verifier} from "../src/interfaces/IERC7992Verifier.sol";
import {ITierVerifier} from "../src/interfaces/ITierVerifier.sol";
import {InferenceVerifier} from "../src/InferenceVerifier.sol";
import {Bounds} from "../src/libraries/Bounds.sol";
import {SignedWords} from "../src/libraries/SignedWords.sol";
import {EzklTier} from "../src/tiers/EzklTier.sol";
import {ModelId} from "../src/types/ModelId.sol";
import {ProofSystem} from "../src/types/ProofSystem.sol";
import {TierKey} from "../src/types/TierKey.sol";
import {
    EndlessVerifier,
    FloodingVerifier,
    OneProofVerifier,
    ReenteringVerifier,
    ReturningVerifier,
    RevertingVerifier,
    RevertingWithOneVerifier,
    WritingVerifier
} from "./support/Halo2Doubles.sol";
import {Headers} from "./support/Headers.sol";
import {RegistryTest} from "./support/RegistryTest.sol";

contract EzklTierTest is RegistryTest {
    uint256 private constant P = 21888242871839275222246405745257275088548364400416034343698204186575808495617;
    ProofSystem private constant SYSTEM = ProofSystem.wrap(bytes4(keccak256("ezkl-halo2-kzg-bn254-v1")));
    bytes private constant HALO2_PROOF = "a Halo2 proof";
    uint32 private constant INPUTS = 64;
    uint32 private constant OUTPUTS = 10;

    EzklTier private tier = new EzklTier();
    InferenceVerifier private verifier;
    ModelId private modelId;
    int256[] private inputs;
    int256[] private outputs;
    bytes32 private commitment;

    function setUp() public {
        ITierVerifier[] memory tiers = new ITierVerifier[](1);
        tiers[0] = tier;
        verifier = new InferenceVerifier(registry, tiers);
        entry.header = Headers.vectors(INPUTS, -16, 16, OUTPUTS, -40_000, 70_000);
        for (uint256 i = 0; i < INPUTS; ++i) {
            inputs.push(int256(i % 33) - 16);
        }
        for (uint256 i = 0; i < OUTPUTS; ++i) {
            outputs.push(int256(i * 7000) - 30_000);
        }
        _registerWith(address(new OneProofVerifier(HALO2_PROOF, _instances())));
        commitment = verifier.inputCommitment(modelId, inputs);
    }

    function test_proofSystem() public view {
        vm.assertTrue(tier.proofSystem() == SYSTEM);
    }

    function test_verify_acceptsRightStatement() public {
        _verify();
        vm.snapshotGasLastCall("EzklTier", "verifyInference around the Halo2 proof, 64 inputs and 10 outputs");
    }

    /// @dev Whatever part of the statement is altered, the generated verifier sees other public values, or the
    /// commitment differs.
    function testFuzz_verify_refusesOtherOutput(uint256 index, int256 value) public {
        index = bound(index, 0, OUTPUTS - 1);
        value = bound(value, -40_000, 70_000);
        vm.assume(outputs[index] != value);
        outputs[index] = value;
        _expectInvalidProof();
    }

    function testFuzz_verify_refusesOtherInput(uint256 index, int256 value) public {
        index = bound(index, 0, INPUTS - 1);
        value = bound(value, -16, 16);
        vm.assume(inputs[index] != value);
        inputs[index] = value;
        vm.expectRevert(IERC7992Verifier.InputCommitmentMismatch.selector);
        _verify();
        // With a commitment that fits the altered input it is the proof that fails.
        commitment = verifier.inputCommitment(modelId, inputs);
        _expectInvalidProof();
    }

    function testFuzz_verify_refusesOtherCommitment(bytes32 other) public {
        vm.assume(other != commitment);
        commitment = other;
        vm.expectRevert(IERC7992Verifier.InputCommitmentMismatch.selector);
        _verify();
    }

    /// @dev x + p, x - p and their like are the same field elements as x.
    function testFuzz_verify_refusesFieldAliases(uint256 index, bool negative) public {
        index = bound(index, 0, OUTPUTS - 1);
        int256 right = outputs[index];
        // forge-lint: disable-next-line(unsafe-typecast)
        outputs[index] = negative ? right - int256(P) : right + int256(P);
        vm.assertEq(_embed(outputs[index]), _embed(right));
        vm.expectRevert(
            abi.encodeWithSelector(Bounds.ValueOutOfBounds.selector, index, outputs[index], -40_000, 70_000)
        );
        _verify();
    }

    function testFuzz_verify_refusesInputAliases(uint256 index, bool negative) public {
        index = bound(index, 0, INPUTS - 1);
        // forge-lint: disable-next-line(unsafe-typecast)
        inputs[index] += negative ? -int256(P) : int256(P);
        vm.expectRevert(abi.encodeWithSelector(Bounds.ValueOutOfBounds.selector, index, inputs[index], -16, 16));
        _verify();
    }

    function testFuzz_verify_refusesOutOfBounds(uint256 index, int256 value) public {
        index = bound(index, 0, OUTPUTS - 1);
        vm.assume(value < -40_000 || value > 70_000);
        outputs[index] = value;
        vm.expectRevert(abi.encodeWithSelector(Bounds.ValueOutOfBounds.selector, index, value, -40_000, 70_000));
        _verify();
    }

    function test_verify_refusesWrongOutputCount() public {
        outputs.pop();
        vm.expectRevert(abi.encodeWithSelector(Bounds.WrongElementCount.selector, 10, 9));
        _verify();
        outputs.push(0);
        outputs.push(0);
        vm.expectRevert(abi.encodeWithSelector(Bounds.WrongElementCount.selector, 10, 11));
        _verify();
    }

    /// @dev A Halo2 proof binds no recipient: what it proves for one address it would prove for every other.
    function testFuzz_verify_refusesARecipient(address recipient) public {
        vm.assume(recipient != address(0));
        bytes memory proof = abi.encodePacked(SYSTEM, inputs, HALO2_PROOF);
        vm.expectRevert(abi.encodeWithSelector(EzklTier.RecipientNotSupported.selector, recipient));
        verifier.checkInferenceFor(modelId, commitment, abi.encode(outputs), proof, recipient);
    }

    function test_verify_refusesMissingInputs() public {
        bytes memory proof = abi.encodePacked(SYSTEM, new bytes(32 * INPUTS - 1));
        vm.expectRevert(abi.encodeWithSelector(SignedWords.WordsMissing.selector, 32 * INPUTS, 32 * INPUTS - 1));
        verifier.checkInference(modelId, commitment, abi.encode(outputs), proof);
    }

    function testFuzz_verify_refusesOtherOutputBytes(bytes calldata tail) public {
        vm.assume(tail.length != 0);
        bytes memory output = abi.encodePacked(abi.encode(outputs), tail);
        bytes memory proof = abi.encodePacked(SYSTEM, inputs, HALO2_PROOF);
        vm.expectRevert(SignedWords.OutputEncodingMalformed.selector);
        verifier.checkInference(modelId, commitment, output, proof);
    }

    function testFuzz_verify_refusesOtherProof(bytes calldata halo2Proof) public {
        vm.assume(keccak256(halo2Proof) != keccak256(HALO2_PROOF));
        bytes memory proof = abi.encodePacked(SYSTEM, inputs, halo2Proof);
        vm.expectRevert(IERC7992Verifier.InvalidProof.selector);
        verifier.checkInference(modelId, commitment, abi.encode(outputs), proof);
    }

    function test_hostileVerifier_returningTheWordOneIsAccepted() public {
        _registerWith(address(new ReturningVerifier(abi.encode(true))));
        _verify();
    }

    function test_hostileVerifier_returningFalse() public {
        _refusesVerifier(address(new ReturningVerifier(abi.encode(false))));
    }

    function test_hostileVerifier_returningNothing() public {
        _refusesVerifier(address(new ReturningVerifier("")));
    }

    function testFuzz_hostileVerifier_returningGarbage(bytes calldata data) public {
        vm.assume(keccak256(data) != keccak256(abi.encode(true)));
        _refusesVerifier(address(new ReturningVerifier(data)));
    }

    function test_hostileVerifier_returningAlmostTrue() public {
        _refusesVerifier(address(new ReturningVerifier(abi.encode(2))));
        _refusesVerifier(address(new ReturningVerifier(abi.encode(true, true))));
        _refusesVerifier(address(new ReturningVerifier(abi.encodePacked(bytes30(0), bytes1(0x01)))));
        _refusesVerifier(address(new ReturningVerifier(abi.encodePacked(abi.encode(true), bytes1(0)))));
    }

    function test_hostileVerifier_reverting() public {
        _refusesVerifier(address(new RevertingVerifier()));
        _refusesVerifier(address(new RevertingWithOneVerifier()));
    }

    function test_hostileVerifier_flooding() public {
        _refusesVerifier(address(new FloodingVerifier()));
    }

    function test_hostileVerifier_exhaustingGas() public {
        _registerWith(address(new EndlessVerifier()));
        bytes memory call_ = abi.encodeCall(
            verifier.checkInference,
            (modelId, commitment, abi.encode(outputs), abi.encodePacked(SYSTEM, inputs, HALO2_PROOF))
        );
        (bool success,) = address(verifier).call{gas: 3_000_000}(call_);
        vm.assertFalse(success);
    }

    function test_hostileVerifier_writing() public {
        _refusesVerifier(address(new WritingVerifier()));
    }

    function test_hostileVerifier_reentering() public {
        _registerWith(address(new ReenteringVerifier()));
        bytes memory inner = abi.encode(verifier, modelId);
        vm.recordLogs();
        vm.expectRevert(IERC7992Verifier.InvalidProof.selector);
        verifier.verifyInference(
            ModelId.unwrap(modelId), commitment, abi.encode(outputs), abi.encodePacked(SYSTEM, inputs, inner)
        );
        vm.assertEq(vm.getRecordedLogs().length, 0);
    }

    /// @dev The registry admits a key without a verifier; this tier needs one.
    function test_verify_refusesKeyWithoutVerifier() public {
        _registerWith(address(0));
        vm.expectRevert(abi.encodeWithSelector(EzklTier.VerifierWithoutCode.selector, address(0)));
        _verify();
    }

    function _verify() private {
        verifier.verifyInference(
            ModelId.unwrap(modelId), commitment, abi.encode(outputs), abi.encodePacked(SYSTEM, inputs, HALO2_PROOF)
        );
    }

    function _expectInvalidProof() private {
        vm.expectRevert(IERC7992Verifier.InvalidProof.selector);
        _verify();
    }

    function _refusesVerifier(address halo2Verifier) private {
        _registerWith(halo2Verifier);
        _expectInvalidProof();
    }

    function _registerWith(address halo2Verifier) private {
        delete entry.tiers;
        entry.tiers.push(TierKey(SYSTEM, halo2Verifier, halo2Verifier.codehash, keccak256("key")));
        modelId = _register();
    }

    function _instances() private view returns (uint256[] memory instances) {
        instances = new uint256[](INPUTS + OUTPUTS);
        for (uint256 i = 0; i < INPUTS; ++i) {
            instances[i] = _embed(inputs[i]);
        }
        for (uint256 i = 0; i < OUTPUTS; ++i) {
            instances[INPUTS + i] = _embed(outputs[i]);
        }
    }

    /// @dev The residue of a signed integer modulo p.
    function _embed(int256 value) private pure returns (uint256) {
        // forge-lint: disable-next-line(unsafe-typecast)
        int256 residue = value % int256(P);
        // forge-lint: disable-next-line(unsafe-typecast)
        return uint256(residue < 0 ? residue + int256(P) : residue);
    }
}
