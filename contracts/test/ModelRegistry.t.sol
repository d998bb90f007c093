// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IModelRegistry} from "../src/interfaces/IModelRegistry.sol";
import {CircuitHeader} from "../src/libraries/CircuitHeader.sol";
import {CodeStore} from "../src/libraries/CodeStore.sol";
import {ModelRegistry} from "../src/ModelRegistry.sol";
import {CircuitId} from "../src/types/CircuitId.sol";
import {ModelId} from "../src/types/ModelId.sol";
import {ProofSystem} from "../src/types/ProofSystem.sol";
import {TierKey} from "../src/types/TierKey.sol";
import {Headers} from "./support/Headers.sol";
import {Test} from "./support/Test.sol";

contract ModelRegistryTest is Test {
    address private constant ALICE = address(0xA11CE);
    address private constant MALLORY = address(0xBAD);
    bytes32 private constant SALT = keccak256("salt");
    ProofSystem private constant SYSTEM = ProofSystem.wrap(0x11111111);

    ModelRegistry private registry;
    IModelRegistry.Registration private entry;

    function setUp() public {
        registry = new ModelRegistry();
        vm.roll(1000);
        vm.warp(1_000_000);
        entry.header = Headers.vectors(64, 0, 255, 10, -40_000, 70_000);
        entry.opsRoot = keccak256("ops");
        entry.weightsRoot = keccak256("weights");
        entry.scalesHash = keccak256("scales");
        entry.uri = "ipfs://bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi";
        entry.contentHash = keccak256("metadata");
        entry.tiers.push(_key(SYSTEM, address(this)));
    }

    function test_commit_recordsBlockAndTime() public {
        bytes32 commitment = _commit(ALICE);
        vm.snapshotGasLastCall("ModelRegistry", "commit");
        (uint64 blockNumber, uint64 timestamp) = registry.commitmentRecord(commitment);
        vm.assertEq(blockNumber, 1000);
        vm.assertEq(timestamp, 1_000_000);
    }

    /// @dev Neither its owner nor anyone else can move the evidence, and repeating it does not fail.
    function testFuzz_commit_firstRecordStands(address sender, uint64 later) public {
        bytes32 commitment = _commit(ALICE);
        vm.roll(1000 + uint256(later));
        vm.prank(sender);
        registry.commit(commitment);
        (uint64 blockNumber,) = registry.commitmentRecord(commitment);
        vm.assertEq(blockNumber, 1000);
    }

    function test_register_keepsEverything() public {
        _commit(ALICE);
        vm.roll(1005);
        vm.warp(1_000_060);
        CircuitId circuitId = _circuitId();
        ModelId expected = registry.modelIdOf(circuitId, ALICE, entry.tiers, entry.uri, entry.contentHash);
        vm.expectEmit(address(registry));
        emit IModelRegistry.ModelRegistered(expected, circuitId, ALICE, 1000, 1_000_000);
        vm.prank(ALICE);
        ModelId modelId = registry.register(entry, SALT);
        vm.snapshotGasLastCall("ModelRegistry", "register, one tier");

        vm.assertEq(ModelId.unwrap(modelId), ModelId.unwrap(expected));
        IModelRegistry.Model memory model = registry.getModel(modelId);
        vm.assertEq(CircuitId.unwrap(model.circuitId), CircuitId.unwrap(circuitId));
        vm.assertEq(model.owner, ALICE);
        vm.assertEq(model.committedBlock, 1000);
        vm.assertEq(model.committedAt, 1_000_000);
        vm.assertEq(model.registeredAt, 1_000_060);
        IModelRegistry.Registration memory registration = entry;
        vm.assertEq(abi.encode(model.registration), abi.encode(registration));
    }

    function test_resolve() public {
        ModelId modelId = _register(ALICE);
        (CircuitId circuitId, TierKey memory key, bytes memory header) = registry.resolve(modelId, SYSTEM);
        vm.snapshotGasLastCall("ModelRegistry", "resolve");
        vm.assertEq(CircuitId.unwrap(circuitId), CircuitId.unwrap(_circuitId()));
        TierKey memory registered = entry.tiers[0];
        vm.assertEq(abi.encode(key), abi.encode(registered));
        vm.assertEq(header, entry.header);

        ProofSystem other = ProofSystem.wrap(0x22222222);
        vm.expectRevert(abi.encodeWithSelector(IModelRegistry.UnsupportedProofSystem.selector, other));
        registry.resolve(modelId, other);
    }

    function testFuzz_getModel_unknown(ModelId modelId) public {
        _register(ALICE);
        vm.expectRevert(abi.encodeWithSelector(IModelRegistry.ModelNotFound.selector, modelId));
        registry.getModel(modelId);
    }

    function test_register_onceOnly() public {
        ModelId modelId = _register(ALICE);
        vm.prank(ALICE);
        vm.expectRevert(abi.encodeWithSelector(IModelRegistry.ModelAlreadyRegistered.selector, modelId));
        registry.register(entry, SALT);
    }

    /// @dev One commitment to a circuit serves later registrations with other keys; each has its own id.
    function test_register_againWithOtherMetadata() public {
        ModelId first = _register(ALICE);
        entry.uri = "";
        vm.prank(ALICE);
        ModelId second = registry.register(entry, SALT);
        vm.assertNotEq(ModelId.unwrap(first), ModelId.unwrap(second));
        vm.assertEq(registry.getModel(second).committedBlock, 1000);
    }

    function test_register_needsCommitment() public {
        bytes32 commitment = registry.commitmentOf(ALICE, _circuitId(), SALT);
        _expectCommitmentNotFound(commitment);
        vm.prank(ALICE);
        registry.register(entry, SALT);
    }

    function test_register_needsRightSalt() public {
        _commit(ALICE);
        vm.roll(1001);
        bytes32 salt = keccak256("another salt");
        _expectCommitmentNotFound(registry.commitmentOf(ALICE, _circuitId(), salt));
        vm.prank(ALICE);
        registry.register(entry, salt);
    }

    function test_register_needsCommitmentInEarlierBlock() public {
        bytes32 commitment = _commit(ALICE);
        vm.expectRevert(abi.encodeWithSelector(IModelRegistry.CommitmentTooRecent.selector, commitment, 1000));
        vm.prank(ALICE);
        registry.register(entry, SALT);
    }

    /// @dev Mallory sees Alice's registration before it is mined and sends the same from her own account.
    function test_frontRun_copiedRegistrationFails() public {
        _commit(ALICE);
        vm.roll(1001);
        _expectCommitmentNotFound(registry.commitmentOf(MALLORY, _circuitId(), SALT));
        vm.prank(MALLORY);
        registry.register(entry, SALT);
    }

    /// @dev Mallory commits to what she saw and registers one block later, with a verifier of her own, before Alice's
    /// registration is mined. Alice's registration still succeeds, under the id that she announced, and with the
    /// earlier commitment.
    function test_frontRun_neitherPoisonsNorPredates() public {
        _commit(ALICE);
        ModelId announced = registry.modelIdOf(_circuitId(), ALICE, entry.tiers, entry.uri, entry.contentHash);

        vm.roll(1010);
        _commit(MALLORY);
        vm.roll(1011);
        IModelRegistry.Registration memory poisoned = entry;
        poisoned.tiers[0] = _key(SYSTEM, address(registry));
        vm.prank(MALLORY);
        ModelId malicious = registry.register(poisoned, SALT);
        vm.prank(MALLORY);
        ModelId copied = registry.register(entry, SALT);

        vm.prank(ALICE);
        ModelId modelId = registry.register(entry, SALT);
        vm.assertEq(ModelId.unwrap(modelId), ModelId.unwrap(announced));
        vm.assertNotEq(ModelId.unwrap(modelId), ModelId.unwrap(malicious));
        vm.assertNotEq(ModelId.unwrap(modelId), ModelId.unwrap(copied));
        vm.assertEq(registry.getModel(modelId).registration.tiers[0].verifier, address(this));
        vm.assertLt(registry.getModel(modelId).committedBlock, registry.getModel(malicious).committedBlock);
        vm.assertLt(registry.getModel(modelId).committedBlock, registry.getModel(copied).committedBlock);
    }

    /// @dev Mallory copies Alice's commitment into an earlier block. Only Alice can open it, and it dates her earlier.
    function test_frontRun_copiedCommitmentHelpsItsOwner() public {
        bytes32 commitment = registry.commitmentOf(ALICE, _circuitId(), SALT);
        vm.prank(MALLORY);
        registry.commit(commitment);
        vm.roll(1001);
        vm.prank(ALICE);
        registry.commit(commitment);
        _expectCommitmentNotFound(registry.commitmentOf(MALLORY, _circuitId(), SALT));
        vm.prank(MALLORY);
        registry.register(entry, SALT);
        vm.prank(ALICE);
        vm.assertEq(registry.getModel(registry.register(entry, SALT)).committedBlock, 1000);
    }

    function test_register_withoutTiers() public {
        entry.tiers.pop();
        ModelId modelId = _register(ALICE);
        vm.assertEq(registry.getModel(modelId).registration.tiers.length, 0);
    }

    function test_register_tierWithoutVerifier() public {
        entry.tiers.push(TierKey(ProofSystem.wrap(0x22222222), address(0), bytes32(0), keccak256("key")));
        _register(ALICE);
    }

    function test_register_refusesMalformedTiers() public {
        _commit(ALICE);
        vm.roll(1001);

        entry.tiers.push(_key(SYSTEM, address(registry)));
        _expectRefused(abi.encodeWithSelector(IModelRegistry.TierRepeated.selector, SYSTEM));
        entry.tiers.pop();

        entry.tiers[0].codeHash = keccak256("other code");
        _expectRefused(
            abi.encodeWithSelector(
                IModelRegistry.VerifierCodeMismatch.selector,
                address(this),
                keccak256("other code"),
                address(this).codehash
            )
        );

        entry.tiers[0] = TierKey(SYSTEM, address(0), keccak256("code"), bytes32(0));
        _expectRefused(
            abi.encodeWithSelector(
                IModelRegistry.VerifierCodeMismatch.selector, address(0), keccak256("code"), bytes32(0)
            )
        );

        address nobody = address(0x1234);
        entry.tiers[0] = _key(SYSTEM, nobody);
        _expectRefused(abi.encodeWithSelector(IModelRegistry.VerifierWithoutCode.selector, nobody));
        vm.deal(nobody, 1); // the account now exists, and its code hash is that of no code
        entry.tiers[0] = _key(SYSTEM, nobody);
        _expectRefused(abi.encodeWithSelector(IModelRegistry.VerifierWithoutCode.selector, nobody));

        entry.tiers.pop();
        for (uint32 i = 0; i < 9; ++i) {
            entry.tiers.push(_key(ProofSystem.wrap(bytes4(i)), address(this)));
        }
        _expectRefused(abi.encodeWithSelector(IModelRegistry.TooManyTiers.selector, 9, 8));
        entry.tiers.pop();
        vm.prank(ALICE);
        registry.register(entry, SALT);
    }

    function test_register_refusesMalformedHeader() public {
        entry.header = Headers.replace(entry.header, 9, hex"02");
        _expectRefused(abi.encodeWithSelector(CircuitHeader.HeaderVersionUnknown.selector, 2));
    }

    function test_register_refusesWhatDoesNotFit() public {
        _commit(ALICE);
        vm.roll(1001);
        entry.uri = string(new bytes(24_000));
        _expectRefused(abi.encodeWithSelector(CodeStore.RecordTooLarge.selector, _recordBytes(), 24_575));
        entry.uri = string(new bytes(22_000));
        vm.prank(ALICE);
        registry.register(entry, SALT);
    }

    function test_circuitIdOf() public view {
        bytes32 expected = keccak256(
            abi.encodePacked(
                keccak256("verinfer circuit v1"),
                keccak256(entry.header),
                keccak256("ops"),
                keccak256("weights"),
                keccak256("scales")
            )
        );
        vm.assertEq(CircuitId.unwrap(_circuitId()), expected);
    }

    function testFuzz_modelIdOf_bindsEveryPart(
        CircuitId circuitId,
        address owner,
        TierKey calldata key,
        string calldata uri,
        bytes32 contentHash,
        uint256 part,
        bytes32 other
    ) public view {
        TierKey[] memory keys = new TierKey[](1);
        keys[0] = key;
        ModelId modelId = registry.modelIdOf(circuitId, owner, keys, uri, contentHash);
        ModelId changed;
        part %= 8;
        if (part == 0) {
            vm.assume(other != CircuitId.unwrap(circuitId));
            changed = registry.modelIdOf(CircuitId.wrap(other), owner, keys, uri, contentHash);
        } else if (part == 1) {
            address otherOwner = address(uint160(uint256(other)));
            vm.assume(otherOwner != owner);
            changed = registry.modelIdOf(circuitId, otherOwner, keys, uri, contentHash);
        } else if (part == 2) {
            changed = registry.modelIdOf(circuitId, owner, new TierKey[](0), uri, contentHash);
        } else if (part == 3) {
            changed = registry.modelIdOf(circuitId, owner, keys, string.concat(uri, "."), contentHash);
        } else if (part == 4) {
            vm.assume(other != contentHash);
            changed = registry.modelIdOf(circuitId, owner, keys, uri, other);
        } else {
            if (part == 5) keys[0].verifier = address(uint160(uint256(other)));
            if (part == 6) keys[0].codeHash = other;
            if (part == 7) keys[0].keyHash = other;
            vm.assume(keccak256(abi.encode(keys[0])) != keccak256(abi.encode(key)));
            changed = registry.modelIdOf(circuitId, owner, keys, uri, contentHash);
        }
        vm.assertNotEq(ModelId.unwrap(modelId), ModelId.unwrap(changed));
    }

    function _commit(address owner) private returns (bytes32 commitment) {
        commitment = registry.commitmentOf(owner, _circuitId(), SALT);
        vm.prank(owner);
        registry.commit(commitment);
    }

    function _register(address owner) private returns (ModelId) {
        _commit(owner);
        vm.roll(1001);
        vm.prank(owner);
        return registry.register(entry, SALT);
    }

    function _circuitId() private view returns (CircuitId) {
        return registry.circuitIdOf(entry.header, entry.opsRoot, entry.weightsRoot, entry.scalesHash);
    }

    function _key(ProofSystem system, address verifier) private view returns (TierKey memory) {
        return TierKey(system, verifier, verifier.codehash, keccak256("key"));
    }

    function _recordBytes() private view returns (uint256) {
        IModelRegistry.Model memory model;
        model.registration = entry;
        return abi.encode(model).length;
    }

    function _expectCommitmentNotFound(bytes32 commitment) private {
        vm.expectRevert(abi.encodeWithSelector(IModelRegistry.CommitmentNotFound.selector, commitment));
    }

    function _expectRefused(bytes memory error_) private {
        vm.expectRevert(error_);
        vm.prank(ALICE);
        registry.register(entry, SALT);
    }
}
