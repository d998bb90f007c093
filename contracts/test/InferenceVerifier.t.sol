// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IERC165} from "@openzeppelin/contracts/utils/introspection/IERC165.sol";
import {IERC7992Verifier} from "../src/interfaces/IERC7992Verifier.sol";
import {IInferenceVerifier} from "../src/interfaces/IInferenceVerifier.sol";
import {IModelRegistry} from "../src/interfaces/IModelRegistry.sol";
import {ITierVerifier, Statement} from "../src/interfaces/ITierVerifier.sol";
import {InferenceVerifier} from "../src/InferenceVerifier.sol";
import {Bounds} from "../src/libraries/Bounds.sol";
import {ModelId} from "../src/types/ModelId.sol";
import {ProofSystem} from "../src/types/ProofSystem.sol";
import {TierKey} from "../src/types/TierKey.sol";
import {Headers} from "./support/Headers.sol";
import {ReferenceTree} from "./support/ReferenceTree.sol";
import {RegistryTest} from "./support/RegistryTest.sol";

/// @notice A tier that accepts one statement, under one key, with one proof.
contract OneStatementTier is ITierVerifier {
    ProofSystem public immutable override proofSystem;
    bytes32 public expected;

    error Refused();

    constructor(ProofSystem system) {
        proofSystem = system;
    }

    function expect(Statement calldata statement, TierKey calldata key, bytes calldata proof) external {
        expected = keccak256(abi.encode(statement, key, proof));
    }

    function verify(Statement calldata statement, TierKey calldata key, bytes calldata proof) external view override {
        if (keccak256(abi.encode(statement, key, proof)) != expected) revert Refused();
    }
}

    contract InferenceVerifierTest is RegistryTest {
        ProofSystem private constant FIRST = ProofSystem.wrap(0x11111111);
        ProofSystem private constant SECOND = ProofSystem.wrap(0x22222222);
        ProofSystem private constant ABSENT = ProofSystem.wrap(0x33333333);
        bytes32 private constant INPUT = keccak256("input");
        bytes private constant OUTPUT = "output";

        OneStatementTier private first;
        OneStatementTier private second;
        InferenceVerifier private verifier;
        address private modelVerifier;
        ModelId private modelId;

        function setUp() public {
            first = new OneStatementTier(FIRST);
            second = new OneStatementTier(SECOND);
            verifier = new InferenceVerifier(registry, _tiers());
            modelVerifier = address(0xC0DE);
            vm.etch(modelVerifier, hex"00");
            entry.header = Headers.vectors(3, -10, 10, 2, -100, 100);
            entry.tiers.push(TierKey(SECOND, modelVerifier, modelVerifier.codehash, keccak256("second key")));
            entry.tiers.push(TierKey(FIRST, address(0), bytes32(0), keccak256("first key")));
            modelId = _register();
            first.expect(_statement(), entry.tiers[1], "first proof");
            second.expect(_statement(), entry.tiers[0], "second proof");
        }

        function test_verifyInference_routesByProofSystem() public {
            vm.expectEmit(address(verifier));
            emit IERC7992Verifier.InferenceVerified(ModelId.unwrap(modelId), INPUT, OUTPUT, address(this));
            _verify(abi.encodePacked(FIRST, "first proof"));
            vm.snapshotGasLastCall("InferenceVerifier", "verifyInference, above the tier");
            _verify(abi.encodePacked(SECOND, "second proof"));

            vm.expectRevert(OneStatementTier.Refused.selector);
            _verify(abi.encodePacked(FIRST, "second proof"));
            vm.expectRevert(OneStatementTier.Refused.selector);
            _verify(abi.encodePacked(SECOND, "second proof."));
        }

        function test_checkInference_isFree() public view {
            verifier.checkInference(modelId, INPUT, OUTPUT, abi.encodePacked(FIRST, "first proof"));
        }

        function testFuzz_verifyInferenceFor_handsOnTheRecipient(address recipient, address other) public {
            vm.assume(recipient != other);
            Statement memory statement = _statement();
            statement.recipient = recipient;
            first.expect(statement, entry.tiers[1], "first proof");
            bytes memory proof = abi.encodePacked(FIRST, "first proof");

            verifier.checkInferenceFor(modelId, INPUT, OUTPUT, proof, recipient);
            vm.expectEmit(address(verifier));
            emit IInferenceVerifier.InferenceVerifiedFor(
                ModelId.unwrap(modelId), INPUT, OUTPUT, recipient, address(this)
            );
            verifier.verifyInferenceFor(modelId, INPUT, OUTPUT, proof, recipient);

            vm.expectRevert(OneStatementTier.Refused.selector);
            verifier.checkInferenceFor(modelId, INPUT, OUTPUT, proof, other);
            vm.expectRevert(OneStatementTier.Refused.selector);
            verifier.verifyInferenceFor(modelId, INPUT, OUTPUT, proof, other);
        }

        function testFuzz_functionsWithoutRecipient_takeProofsForAnyone(address recipient) public {
            vm.assume(recipient != address(0));
            Statement memory statement = _statement();
            statement.recipient = recipient;
            first.expect(statement, entry.tiers[1], "first proof");
            bytes memory proof = abi.encodePacked(FIRST, "first proof");
            vm.expectRevert(OneStatementTier.Refused.selector);
            verifier.checkInference(modelId, INPUT, OUTPUT, proof);
            vm.expectRevert(OneStatementTier.Refused.selector);
            _verify(proof);
        }

        function testFuzz_checkInference_handsOnWhatItGot(
            bytes32 commitment,
            bytes calldata output,
            bytes calldata proof
        ) public {
            Statement memory statement = _statement();
            statement.inputCommitment = commitment;
            statement.output = output;
            first.expect(statement, entry.tiers[1], proof);
            verifier.checkInference(modelId, commitment, output, abi.encodePacked(FIRST, proof));
        }

        function testFuzz_checkInference_unknownModel(ModelId other) public {
            vm.assume(ModelId.unwrap(other) != ModelId.unwrap(modelId));
            vm.expectRevert(abi.encodeWithSelector(IModelRegistry.ModelNotFound.selector, other));
            verifier.checkInference(other, INPUT, OUTPUT, abi.encodePacked(FIRST, "first proof"));
        }

        function test_checkInference_unsupportedProofSystem() public {
            bytes memory error_ = abi.encodeWithSelector(IERC7992Verifier.UnsupportedProofSystem.selector, ABSENT);
            vm.expectRevert(error_);
            _verify(abi.encodePacked(ABSENT, "first proof"));

            // A tier that the verifier knows and the model has no key for.
            entry.tiers.pop();
            modelId = _register();
            vm.expectRevert(abi.encodeWithSelector(IERC7992Verifier.UnsupportedProofSystem.selector, FIRST));
            _verify(abi.encodePacked(FIRST, "first proof"));
        }

        function testFuzz_checkInference_shortProof(bytes3 proof, uint256 length) public {
            length = bound(length, 0, 3);
            vm.expectRevert(abi.encodeWithSelector(IInferenceVerifier.ProofTooShort.selector, length));
            _verify(ReferenceTree.slice(abi.encodePacked(proof), 0, length));
        }

        function testFuzz_checkInference_changedVerifierCode(bytes calldata code) public {
            bytes32 registered = entry.tiers[0].codeHash;
            vm.assume(keccak256(code) != registered);
            // No contract's code begins with this byte; in front of a delegation it would have to be of one length.
            vm.assume(code.length == 0 || code[0] != 0xef);
            vm.etch(modelVerifier, code);
            vm.expectRevert(
                abi.encodeWithSelector(
                    IInferenceVerifier.VerifierCodeChanged.selector, modelVerifier, registered, modelVerifier.codehash
                )
            );
            _verify(abi.encodePacked(SECOND, "second proof"));
        }

        function test_inputCommitment() public {
            int256[] memory values = new int256[](3);
            (values[0], values[1], values[2]) = (int256(1), -2, 3);
            Headers.Tensor[] memory inputs = new Headers.Tensor[](1);
            inputs[0] = Headers.vector(3, -10, 10);
            vm.assertEq(verifier.inputCommitment(modelId, values), ReferenceTree.inputRoot(inputs, values));
            values[1] = -11;
            vm.expectRevert(abi.encodeWithSelector(Bounds.ValueOutOfBounds.selector, 1, -11, -10, 10));
            verifier.inputCommitment(modelId, values);
        }

        function test_proofSystemOf() public {
            vm.assertEq(bytes32(verifier.proofSystemOf(ModelId.unwrap(modelId))), bytes32(bytes4(0x22222222)));
            entry.tiers.pop();
            entry.tiers.pop();
            modelId = _register();
            vm.assertEq(bytes32(verifier.proofSystemOf(ModelId.unwrap(modelId))), bytes32(0));
            vm.expectRevert(abi.encodeWithSelector(IModelRegistry.ModelNotFound.selector, 1));
            verifier.proofSystemOf(1);
        }

        function test_constructor() public {
            vm.assertEq(verifier.registry(), address(registry));
            vm.assertEq(address(verifier.tierVerifier(FIRST)), address(first));
            vm.assertEq(address(verifier.tierVerifier(SECOND)), address(second));
            vm.assertEq(address(verifier.tierVerifier(ABSENT)), address(0));
            second = first;
            vm.expectRevert(abi.encodeWithSelector(IInferenceVerifier.TierRepeated.selector, FIRST));
            new InferenceVerifier(registry, _tiers());
        }

        function test_supportsInterface() public view {
            vm.assertTrue(verifier.supportsInterface(type(IERC165).interfaceId));
            vm.assertTrue(verifier.supportsInterface(type(IInferenceVerifier).interfaceId));
            // The draft's three functions.
            bytes4 draft = bytes4(keccak256("verifyInference(uint256,bytes32,bytes,bytes)"))
                ^ bytes4(keccak256("proofSystemOf(uint256)")) ^ bytes4(keccak256("registry()"));
            vm.assertTrue(verifier.supportsInterface(draft));
            vm.assertFalse(verifier.supportsInterface(0xffffffff));
        }

        function _verify(bytes memory proof) private {
            verifier.verifyInference(ModelId.unwrap(modelId), INPUT, OUTPUT, proof);
        }

        function _statement() private view returns (Statement memory) {
            return Statement(_circuitId(), entry.header, INPUT, OUTPUT, address(0));
        }

        function _tiers() private view returns (ITierVerifier[] memory tiers) {
            tiers = new ITierVerifier[](2);
            (tiers[0], tiers[1]) = (first, second);
        }
    }
