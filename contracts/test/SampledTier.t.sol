// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IClaimTier} from "../src/interfaces/IClaimTier.sol";
import {IModelRegistry} from "../src/interfaces/IModelRegistry.sol";
import {ISampledTier, Lot} from "../src/interfaces/ISampledTier.sol";
import {ProofBytes} from "../src/libraries/ProofBytes.sol";
import {ModelRegistry} from "../src/ModelRegistry.sol";
import {CreditLedger} from "../src/optimistic/CreditLedger.sol";
import {SampledTier} from "../src/optimistic/SampledTier.sol";
import {Claim, ClaimStatus} from "../src/types/Claim.sol";
import {ModelId} from "../src/types/ModelId.sol";
import {ProofSystem} from "../src/types/ProofSystem.sol";
import {BlockHeaders} from "./support/BlockHeaders.sol";
import {HashTier} from "./support/HashTier.sol";
import {Headers} from "./support/Headers.sol";
import {SampledTest} from "./support/SampledTest.sol";

/// @notice An account that takes no money.
contract Refuser {
    function call(address to, bytes calldata data) external payable returns (bytes memory result) {
        bool success;
        (success, result) = to.call{value: msg.value}(data);
        if (!success) {
            assembly {
                revert(add(result, 32), mload(result))
            }
        }
    }
}

/// @notice An account that withdraws again while it is being paid.
contract Reenterer {
    CreditLedger private immutable LEDGER;
    bytes public refusal;

    constructor(CreditLedger ledger) {
        LEDGER = ledger;
    }

    function take() external {
        LEDGER.withdraw(payable(address(this)));
    }

    receive() external payable {
        (, refusal) = address(LEDGER).call(abi.encodeCall(CreditLedger.withdraw, (payable(address(this)))));
    }
}

/// @notice Invariants of ISampledTier are named by number.
contract SampledTierTest is SampledTest {
    uint256 private constant DEADLINE = 1_000_000 + WINDOW;
    uint256 private constant DUE = DEADLINE + PROOF_WINDOW;
    uint256 private constant BLOCK = 1000;
    uint256 private constant BEACON = BLOCK + LOOKAHEAD;

    function setUp() public {
        _setUpTier(1 << 14, LOOKAHEAD);
        _enrol(ALICE, 2, PRICE);
    }

    function test_constructor() public {
        ISampledTier.Parameters memory parameters = tier.parameters();
        vm.assertEq(parameters.minBond, 1 ether);
        vm.assertEq(parameters.minWindow, WINDOW);
        vm.assertEq(parameters.proofWindow, PROOF_WINDOW);
        vm.assertEq(parameters.share, 1 << 14);
        vm.assertEq(parameters.lookahead, LOOKAHEAD);
        vm.assertEq(tier.longest(modelId, 77), 77 + PROOF_WINDOW);
        ModelRegistry other = new ModelRegistry();
        vm.expectRevert(
            abi.encodeWithSelector(ISampledTier.RegistryMismatch.selector, address(other), address(registry))
        );
        new SampledTier(other, verifier, parameters);
        parameters.share = 0;
        vm.expectRevert(ISampledTier.ShareZero.selector);
        new SampledTier(registry, verifier, parameters);
        (parameters.share, parameters.lookahead) = (1, 1);
        vm.expectRevert(abi.encodeWithSelector(ISampledTier.LookaheadTooShort.selector, 2, 1));
        new SampledTier(registry, verifier, parameters);
        parameters.lookahead = 2;
        new SampledTier(registry, verifier, parameters);
    }

    // Enrolling.

    function test_enrol() public {
        bytes memory proof = _proof(root, OUTPUT, BOB);
        vm.expectEmit(address(tier));
        emit ISampledTier.Enrolled(modelId, BOB, SYSTEM, 7, 5);
        vm.prank(BOB);
        tier.enrol(modelId, SYSTEM, 7, 5, root, OUTPUT, proof);
        vm.snapshotGasLastCall("SampledTier", "enrol, above the verifier");
        ISampledTier.Enrolment memory said = tier.enrolmentOf(BOB, modelId, SYSTEM);
        vm.assertEq(said.capacity, 7);
        vm.assertEq(said.price, 5);
        vm.assertEq(said.outputLength, 4);
        vm.assertEq(said.outstanding, 0);
    }

    /// @dev What it says later is about later claims.
    function test_enrol_again() public {
        bytes32 claimId = _post(OUTPUT, BOND);
        _enrol(ALICE, 1, 9 ether);
        vm.assertEq(_outstanding(ALICE), 1);
        vm.assertEq(tier.claimOf(claimId).price, PRICE);
        _refusePost(BOND + 1, abi.encodeWithSelector(ISampledTier.CapacityExhausted.selector, 1));
        _demand(_claim(OUTPUT));
    }

    function test_enrol_refusesTheProofOfAnother() public {
        address[3] memory recipients = [ALICE, address(0), CAROL];
        for (uint256 i = 0; i < 3; ++i) {
            _refuseEnrol(_proof(root, OUTPUT, recipients[i]), OUTPUT, HashTier.Refused.selector);
        }
        _refuseEnrol(_proof(root, WRONG_OUTPUT, BOB), OUTPUT, HashTier.Refused.selector);
    }

    function test_enrol_refusesWhatIsMalformed() public {
        bytes memory proof = _proof(root, OUTPUT, BOB);
        vm.prank(BOB);
        vm.expectRevert(ISampledTier.CapacityZero.selector);
        tier.enrol(modelId, SYSTEM, 0, 0, root, OUTPUT, proof);
        _refuseEnrol(proof, hex"007bff", IClaimTier.WrongOutputLength.selector);
        proof[0] = 0x22;
        _refuseEnrol(proof, OUTPUT, ProofBytes.WrongProofSystem.selector);
        vm.prank(BOB);
        vm.expectRevert(
            abi.encodeWithSelector(IModelRegistry.UnsupportedProofSystem.selector, ProofSystem.wrap(0x22111111))
        );
        tier.enrol(modelId, ProofSystem.wrap(0x22111111), 1, 0, root, OUTPUT, proof);
        vm.prank(BOB);
        vm.expectRevert(abi.encodeWithSelector(IModelRegistry.ModelNotFound.selector, 5));
        tier.enrol(ModelId.wrap(5), ProofSystem.wrap(0x22111111), 1, 0, root, OUTPUT, proof);
    }

    function test_enrol_refusesLargeInputs() public {
        entry.header = Headers.vectors(64 * 1024, -100, 100, 2, -1000, 1000);
        vm.roll(1); // registering counts blocks from there
        modelId = _register();
        _enrol(ALICE, 1, 0);
        entry.header = Headers.vectors(64 * 1024 + 1, -100, 100, 2, -1000, 1000);
        vm.roll(1); // registering counts blocks from there
        modelId = _register();
        _refuseEnrol(_proof(root, OUTPUT, BOB), OUTPUT, ISampledTier.InputsTooLarge.selector);
    }

    // Claiming.

    function test_claim() public {
        Claim memory claim = _claim(OUTPUT);
        bytes32 claimId = tier.claimIdOf(claim);
        vm.assertEq(claimId, keccak256(abi.encode(block.chainid, address(tier), claim)));
        vm.expectEmit(address(tier));
        emit IClaimTier.InputPosted(root, INPUT);
        vm.expectEmit(address(tier));
        emit IClaimTier.ClaimPosted(claimId, modelId, ALICE, claim, OUTPUT);
        vm.prank(ALICE);
        vm.assertEq(tier.claim{value: BOND}(claim, OUTPUT, INPUT), claimId);
        vm.snapshotGasLastCall("SampledTier", "claim, the first of an asserter");
        ISampledTier.ClaimState memory state = tier.claimOf(claimId);
        vm.assertTrue(state.status == ClaimStatus.PROVISIONAL && state.lot == Lot.OPEN && !state.demanded);
        vm.assertEq(state.deadline, DEADLINE);
        vm.assertEq(state.postedBlock, BLOCK);
        vm.assertEq(state.price, PRICE);
        vm.assertEq(_outstanding(ALICE), 1);
        _post(OUTPUT, BOND + 1);
        vm.snapshotGasLastCall("SampledTier", "claim");
    }

    function test_claim_refusesWhatIsNotTheCallers() public {
        Claim memory claim = _claim(OUTPUT);
        vm.expectRevert(abi.encodeWithSelector(IClaimTier.WrongAsserter.selector, BOB, ALICE));
        vm.prank(BOB);
        tier.claim{value: BOND}(claim, OUTPUT, INPUT);
        claim.source = BOB;
        vm.expectRevert(abi.encodeWithSelector(IClaimTier.WrongSource.selector, address(0), BOB));
        vm.prank(ALICE);
        tier.claim{value: BOND}(claim, OUTPUT, INPUT);
        vm.expectRevert(abi.encodeWithSelector(IClaimTier.WrongSource.selector, CAROL, BOB));
        vm.prank(CAROL);
        tier.claimFor{value: BOND}(claim, OUTPUT);
    }

    function test_claim_refusesWhatIsMalformed() public {
        Claim memory claim = _claim(OUTPUT);
        claim.trace = bytes32(uint256(1));
        _refuseClaim(claim, abi.encodeWithSelector(ISampledTier.TraceNotZero.selector, 1));
        claim = _claim(OUTPUT);
        claim.input = bytes32(uint256(1));
        _refuseClaim(claim, abi.encodeWithSelector(IClaimTier.WrongInput.selector, 1, root));
        claim = _claim(OUTPUT);
        claim.bond += 1;
        _refuseClaim(claim, abi.encodeWithSelector(IClaimTier.WrongBond.selector, BOND + 1, BOND));
        claim = _claim(OUTPUT);
        claim.window -= 1;
        _refuseClaim(claim, abi.encodeWithSelector(IClaimTier.WindowTooShort.selector, WINDOW, WINDOW - 1));
        claim = _claim(WRONG_OUTPUT);
        _refuseClaim(
            claim,
            abi.encodeWithSelector(IClaimTier.WrongOutputHash.selector, keccak256(WRONG_OUTPUT), keccak256(OUTPUT))
        );
        claim = _claim(OUTPUT);
        claim.settledBy = ProofSystem.wrap(0);
        _refuseClaim(claim, abi.encodeWithSelector(ISampledTier.NotEnrolled.selector, modelId, ALICE, bytes4(0)));
        claim = _claim(OUTPUT);
        claim.modelId = ModelId.wrap(3);
        _refuseClaim(claim, abi.encodeWithSelector(ISampledTier.NotEnrolled.selector, 3, ALICE, SYSTEM));

        claim = _claim(OUTPUT);
        claim.bond = 1 ether - 1;
        vm.expectRevert(abi.encodeWithSelector(IClaimTier.BondTooLow.selector, 1 ether, 1 ether - 1));
        vm.prank(ALICE);
        tier.claim{value: 1 ether - 1}(claim, OUTPUT, INPUT);
        claim = _claim(OUTPUT);
        claim.outputHash = keccak256(hex"007bff8500");
        vm.expectRevert(abi.encodeWithSelector(IClaimTier.WrongOutputLength.selector, 4, 5));
        vm.prank(ALICE);
        tier.claim{value: BOND}(claim, hex"007bff8500", INPUT);
        vm.expectRevert(abi.encodeWithSelector(IClaimTier.WrongInputLength.selector, 4, 5));
        vm.prank(ALICE);
        tier.claim{value: BOND}(_claim(OUTPUT), OUTPUT, bytes.concat(INPUT, hex"00"));
        claim = _claim(OUTPUT);
        claim.asserter = BOB;
        vm.expectRevert(abi.encodeWithSelector(ISampledTier.NotEnrolled.selector, modelId, BOB, SYSTEM));
        vm.prank(BOB);
        tier.claim{value: BOND}(claim, OUTPUT, INPUT);
    }

    /// @dev Whatever has become of it.
    function test_claim_once() public {
        bytes memory refusal = abi.encodeWithSelector(IClaimTier.ClaimExists.selector, tier.claimIdOf(_claim(OUTPUT)));
        _post(OUTPUT, BOND);
        _refusePost(BOND, refusal);
        _settle(_claim(OUTPUT), OUTPUT);
        _refusePost(BOND, refusal);
        refusal = abi.encodeWithSelector(IClaimTier.ClaimExists.selector, _post(OUTPUT, BOND + 1));
        vm.warp(DUE);
        tier.expire(_bonded(OUTPUT, BOND + 1));
        _refusePost(BOND + 1, refusal);
    }

    /// @dev Invariant 7.
    function test_claim_withinTheCapacity() public {
        _post(OUTPUT, BOND);
        _post(OUTPUT, BOND + 1);
        bytes memory refusal = abi.encodeWithSelector(ISampledTier.CapacityExhausted.selector, 2);
        _refusePost(BOND + 2, refusal);
        _settle(_claim(OUTPUT), OUTPUT);
        vm.assertEq(_outstanding(ALICE), 1);
        _post(OUTPUT, BOND + 2);
        _refusePost(BOND + 3, refusal);
    }

    function test_claimFor() public {
        Claim memory claim = _claim(OUTPUT);
        (claim.source, claim.input) = (CAROL, keccak256("a root that Carol vouches for"));
        vm.expectRevert(abi.encodeWithSelector(ISampledTier.SourceNotAllowed.selector, ALICE, CAROL));
        vm.prank(CAROL);
        tier.claimFor{value: BOND}(claim, OUTPUT);
        vm.expectEmit(address(tier));
        emit ISampledTier.SourceAllowed(ALICE, CAROL, true);
        vm.prank(ALICE);
        tier.allowSource(CAROL, true);
        vm.prank(CAROL);
        bytes32 claimId = tier.claimFor{value: BOND}(claim, OUTPUT);
        vm.snapshotGasLastCall("SampledTier", "claimFor");
        _settle(claim, OUTPUT);
        vm.assertTrue(tier.statusOf(claimId) == ClaimStatus.FINAL);
        vm.assertEq(tier.credit(ALICE), BOND);

        vm.prank(ALICE);
        tier.allowSource(CAROL, false);
        claim.bond += 1;
        vm.expectRevert(abi.encodeWithSelector(ISampledTier.SourceNotAllowed.selector, ALICE, CAROL));
        vm.prank(CAROL);
        tier.claimFor{value: BOND + 1}(claim, OUTPUT);
    }

    // The lot.

    function test_draw_spares() public {
        bytes32 claimId = _post(OUTPUT, BOND);
        bytes memory header = _setLot(claimId, false);
        vm.expectEmit(address(tier));
        emit ISampledTier.LotDrawn(claimId, false);
        tier.draw(claimId, header);
        vm.snapshotGasLastCall("SampledTier", "draw");
        vm.assertTrue(tier.claimOf(claimId).lot == Lot.SPARED);
        vm.expectRevert(abi.encodeWithSelector(ISampledTier.AlreadyDrawn.selector, claimId));
        tier.draw(claimId, header);
    }

    function test_draw_selects() public {
        bytes32 claimId = _post(OUTPUT, BOND);
        bytes memory header = _setLot(claimId, true);
        vm.expectEmit(address(tier));
        emit ISampledTier.LotDrawn(claimId, true);
        tier.draw(claimId, header);
        vm.assertTrue(tier.claimOf(claimId).lot == Lot.SELECTED);
        vm.expectRevert(abi.encodeWithSelector(ISampledTier.AlreadyDrawn.selector, claimId));
        tier.draw(claimId, header);
    }

    /// @dev Not before the block is over whose header it is.
    function test_draw_fromTheLookaheadOn() public {
        bytes32 claimId = _post(OUTPUT, BOND);
        vm.roll(BEACON + 1);
        bytes memory header = _mixed(BEACON, bytes32(uint256(1)));
        uint256[4] memory early = [BLOCK, BLOCK + 1, BEACON - 1, BEACON];
        for (uint256 i = 0; i < 4; ++i) {
            vm.roll(early[i]);
            vm.expectRevert(abi.encodeWithSelector(ISampledTier.DrawTooEarly.selector, BEACON + 1));
            tier.draw(claimId, header);
        }
        vm.roll(BEACON + 1);
        tier.draw(claimId, header);
    }

    /// @dev The hash of the claim's block is gone after 256 blocks, and the claim must be proved.
    function test_draw_blocks() public {
        bytes32 claimId = _post(OUTPUT, BOND);
        vm.roll(BLOCK + 257);
        bytes memory header = _mixed(BEACON, bytes32(uint256(1)));
        vm.expectRevert(abi.encodeWithSelector(ISampledTier.DrawTooLate.selector, claimId));
        tier.draw(claimId, header);
        vm.warp(DEADLINE);
        vm.expectRevert(abi.encodeWithSelector(ISampledTier.ProofDue.selector, claimId, DUE));
        tier.finalise(_claim(OUTPUT));
        vm.roll(BLOCK + 256);
        vm.warp(DEADLINE - 1);
        tier.draw(claimId, header);
    }

    function test_draw_beforeTheDeadline() public {
        bytes32 claimId = _post(OUTPUT, BOND);
        bytes memory header = _setLot(claimId, false);
        vm.warp(DEADLINE);
        vm.expectRevert(abi.encodeWithSelector(ISampledTier.WindowOver.selector, DEADLINE));
        tier.draw(claimId, header);
        vm.warp(DEADLINE - 1);
        tier.draw(claimId, header);
    }

    /// @dev Those of the blocks around it are none, nor is one with a byte too many or another mix.
    function test_draw_refusesOtherHeaders() public {
        bytes32 claimId = _post(OUTPUT, BOND);
        vm.roll(BEACON + 3);
        bytes memory header = _mixed(BEACON, bytes32(uint256(1)));
        bytes[6] memory others = [
            _mixed(BLOCK, bytes32(uint256(1))),
            _mixed(BEACON - 1, bytes32(uint256(1))),
            _mixed(BEACON + 1, bytes32(uint256(1))),
            bytes.concat(header, hex"00"),
            BlockHeaders.build(BEACON, bytes32(uint256(2))),
            ""
        ];
        for (uint256 i = 0; i < 6; ++i) {
            vm.expectRevert(
                abi.encodeWithSelector(
                    ISampledTier.WrongHeader.selector, keccak256(header), keccak256(abi.encodePacked(others[i]))
                )
            );
            tier.draw(claimId, others[i]);
        }
        vm.assertTrue(tier.claimOf(claimId).lot == Lot.OPEN);
        tier.draw(claimId, header);
    }

    /// @dev Whatever is in the block but the mix, and however many fields headers have, now or after forks to come.
    function test_draw_ofTheMixOnly(uint256 mix, uint8 extra, uint8 later) public {
        bytes32 claimId = _post(OUTPUT, BOND);
        vm.roll(BEACON + 1);
        bytes memory extraData = new bytes(extra % 33);
        if (extraData.length > 0) extraData[0] = 0xff;
        bytes memory header = BlockHeaders.build(BEACON, bytes32(mix), extraData, later % 10);
        vmBlocks.setBlockhash(BEACON, keccak256(header));
        tier.draw(claimId, header);
        bool selected = tier.claimOf(claimId).lot == Lot.SELECTED;
        vm.assertTrue(selected == _selects(claimId, bytes32(mix), BLOCK));
    }

    /// @dev Where the mix is a constant, the hash of the claim's own block decides; it is mixed in.
    function test_draw_ofTheClaimsBlock() public {
        bytes32 claimId = _post(OUTPUT, BOND);
        vm.roll(BEACON + 1);
        bytes memory header = _mixed(BEACON, bytes32(uint256(1)));
        uint256[2] memory lots;
        for (uint256 i = 0; i < 40; ++i) {
            uint256 start = vmSnapshot();
            vmBlocks.setBlockhash(BLOCK, keccak256(abi.encode(i)));
            tier.draw(claimId, header);
            bool selected = tier.claimOf(claimId).lot == Lot.SELECTED;
            vmRevert(start);
            ++lots[selected ? 1 : 0];
        }
        vm.assertTrue(lots[0] > 0 && lots[1] > 0);
    }

    /// @dev Two claims in one block have lots of their own, and the share comes true.
    function test_draw_share() public {
        _enrol(ALICE, 512, PRICE);
        uint256 selected = 0;
        vm.deal(ALICE, 1000 ether);
        bytes32[] memory claims = new bytes32[](400);
        for (uint256 i = 0; i < 400; ++i) {
            claims[i] = _post(OUTPUT, uint96(BOND + i));
        }
        vm.roll(BEACON + 1);
        bytes memory header = _mixed(BEACON, keccak256("a mix"));
        for (uint256 i = 0; i < 400; ++i) {
            tier.draw(claims[i], header);
            if (tier.claimOf(claims[i]).lot == Lot.SELECTED) ++selected;
        }
        // A quarter, within five standard deviations.
        vm.assertTrue(selected > 56 && selected < 144);
    }

    // How claims end.

    /// @dev Invariant 3.
    function test_finalise_atTheDeadline() public {
        bytes32 claimId = _drawn(false);
        vm.warp(DEADLINE - 1);
        vm.expectRevert(abi.encodeWithSelector(IClaimTier.ClaimPending.selector, claimId, DEADLINE));
        tier.finalise(_claim(OUTPUT));
        vm.warp(DEADLINE);
        vm.expectEmit(address(tier));
        emit IClaimTier.ClaimFinal(claimId);
        tier.finalise(_claim(OUTPUT));
        vm.snapshotGasLastCall("SampledTier", "finalise");
        vm.assertTrue(tier.statusOf(claimId) == ClaimStatus.FINAL);
        vm.assertEq(tier.credit(ALICE), BOND);
        vm.assertEq(_outstanding(ALICE), 0);
        _assertOver(claimId, ClaimStatus.FINAL);
    }

    /// @dev Invariant 2: not drawn, selected, demanded.
    function test_finalise_refusesWhatMustBeProved() public {
        uint256 start = vmSnapshot();
        for (uint256 i = 0; i < 3; ++i) {
            bytes32 claimId = i == 0 ? _post(OUTPUT, BOND) : _drawn(i == 1);
            if (i == 2) _demand(_claim(OUTPUT));
            vm.warp(DEADLINE + 100 * PROOF_WINDOW);
            vm.expectRevert(abi.encodeWithSelector(ISampledTier.ProofDue.selector, claimId, DUE));
            tier.finalise(_claim(OUTPUT));
            vmRevert(start);
        }
    }

    /// @dev A spared claim needs no proof, and is not expired.
    function test_expire_refusesWhatNeedsNoProof() public {
        bytes32 claimId = _drawn(false);
        vm.warp(DUE + 1);
        vm.expectRevert(abi.encodeWithSelector(ISampledTier.ProofNotDue.selector, claimId));
        tier.expire(_claim(OUTPUT));
        tier.finalise(_claim(OUTPUT));
    }

    function test_settle_atOnce() public {
        bytes32 claimId = _post(OUTPUT, BOND);
        bytes memory proof = _proof(root, OUTPUT, address(0));
        vm.expectEmit(address(tier));
        emit IClaimTier.ClaimFinal(claimId);
        vm.prank(CAROL);
        tier.settle(_claim(OUTPUT), OUTPUT, proof);
        vm.snapshotGasLastCall("SampledTier", "settle, above the verifier");
        vm.assertEq(tier.credit(ALICE), BOND);
        vm.assertEq(tier.credit(CAROL), 0);
        _assertOver(claimId, ClaimStatus.FINAL);
    }

    /// @dev A proof may come until a second before it is overdue, and the claim falls from then on: never both.
    function test_settle_untilItIsDue() public {
        _drawn(true);
        vm.warp(DUE - 1);
        vm.expectRevert(abi.encodeWithSelector(IClaimTier.ClaimPending.selector, tier.claimIdOf(_claim(OUTPUT)), DUE));
        tier.expire(_claim(OUTPUT));
        uint256 start = vmSnapshot();
        _settle(_claim(OUTPUT), OUTPUT);
        vmRevert(start);
        vm.warp(DUE);
        bytes memory proof = _proof(root, OUTPUT, address(0));
        vm.expectRevert(abi.encodeWithSelector(ISampledTier.ProofTooLate.selector, DUE));
        tier.settle(_claim(OUTPUT), OUTPUT, proof);
        tier.expire(_claim(OUTPUT));
        _assertOver(tier.claimIdOf(_claim(OUTPUT)), ClaimStatus.REVOKED);
    }

    /// @dev A claim that need not be proved may be, however late.
    function test_settle_ofASparedClaim() public {
        _drawn(false);
        vm.warp(DUE + 1);
        _settle(_claim(OUTPUT), OUTPUT);
        vm.assertEq(tier.credit(ALICE), BOND);
    }

    /// @dev A proof that fails changes nothing.
    function test_settle_refusesOtherProofs() public {
        bytes32 claimId = _drawn(true);
        bytes32 before = keccak256(abi.encode(tier.claimOf(claimId)));
        bytes[4] memory proofs = [
            _proof(root, WRONG_OUTPUT, address(0)),
            _proof(root, OUTPUT, ALICE),
            _proof(keccak256("another input"), OUTPUT, address(0)),
            abi.encodePacked(SYSTEM)
        ];
        for (uint256 i = 0; i < 4; ++i) {
            vm.expectRevert(HashTier.Refused.selector);
            tier.settle(_claim(OUTPUT), OUTPUT, proofs[i]);
        }
        bytes memory proof = _proof(root, OUTPUT, address(0));
        vm.expectRevert(
            abi.encodeWithSelector(IClaimTier.WrongOutputHash.selector, keccak256(OUTPUT), keccak256(WRONG_OUTPUT))
        );
        tier.settle(_claim(OUTPUT), WRONG_OUTPUT, proof);
        proof[3] = 0x12;
        vm.expectRevert(
            abi.encodeWithSelector(ProofBytes.WrongProofSystem.selector, SYSTEM, ProofSystem.wrap(0x11111112))
        );
        tier.settle(_claim(OUTPUT), OUTPUT, proof);
        vm.assertEq(keccak256(abi.encode(tier.claimOf(claimId))), before);
        vm.assertEq(tier.credit(ALICE), 0);
        _settle(_claim(OUTPUT), OUTPUT);
    }

    /// @dev Half is burnt, the odd wei with it.
    function test_expire_halfToTheCaller() public {
        bytes32 claimId = _drawn(true);
        vm.warp(DUE);
        vm.expectEmit(address(tier));
        emit IClaimTier.ClaimRevoked(claimId, CAROL);
        vm.prank(CAROL);
        tier.expire(_claim(OUTPUT));
        vm.snapshotGasLastCall("SampledTier", "expire");
        vm.assertEq(tier.credit(CAROL), 0.5 ether);
        vm.assertEq(tier.credit(ALICE), 0);
        vm.assertEq(address(tier).balance, BOND);
        _assertOver(claimId, ClaimStatus.REVOKED);
    }

    function test_expire_halfToWhoPaidForTheProof() public {
        bytes32 claimId = _drawn(false);
        _demand(_claim(OUTPUT));
        vm.warp(DUE);
        vm.expectEmit(address(tier));
        emit IClaimTier.ClaimRevoked(claimId, BOB);
        vm.prank(CAROL);
        tier.expire(_claim(OUTPUT));
        vm.assertEq(tier.credit(BOB), 0.5 ether + PRICE);
        vm.assertEq(tier.credit(CAROL), 0);
    }

    function test_demand() public {
        bytes32 claimId = _drawn(false);
        vm.expectEmit(address(tier));
        emit ISampledTier.ProofDemanded(claimId, BOB, PRICE);
        _demand(_claim(OUTPUT));
        vm.snapshotGasLastCall("SampledTier", "demand");
        vm.assertEq(tier.payerOf(claimId), BOB);
        vm.expectRevert(abi.encodeWithSelector(ISampledTier.AlreadyDemanded.selector, claimId));
        _demand(_claim(OUTPUT));
        // Whoever brings the proof, the asserter has it paid.
        vm.prank(CAROL);
        _settle(_claim(OUTPUT), OUTPUT);
        vm.assertEq(tier.credit(ALICE), BOND + PRICE);
        vm.assertEq(tier.credit(BOB), 0);
    }

    function test_demand_beforeTheDeadline() public {
        bytes32 claimId = _post(OUTPUT, BOND);
        vm.warp(DEADLINE);
        vm.expectRevert(abi.encodeWithSelector(ISampledTier.WindowOver.selector, DEADLINE));
        _demand(_claim(OUTPUT));
        vm.warp(DEADLINE - 1);
        _demand(_claim(OUTPUT));
        // The lot is of no account any more, but may still be drawn.
        tier.draw(claimId, _setLot(claimId, false));
        vm.warp(DUE);
        tier.expire(_claim(OUTPUT));
    }

    function test_demand_atThePrice() public {
        _post(OUTPUT, BOND);
        for (uint256 i = 0; i < 3; i += 2) {
            uint256 value = PRICE + i - 1;
            vm.expectRevert(abi.encodeWithSelector(ISampledTier.WrongPrice.selector, PRICE, value));
            vm.prank(BOB);
            tier.demand{value: value}(_claim(OUTPUT));
        }
    }

    /// @dev A proof that is due anyway is not paid for.
    function test_demand_notOfASelectedClaim() public {
        bytes32 claimId = _drawn(true);
        vm.expectRevert(abi.encodeWithSelector(ISampledTier.ProofDue.selector, claimId, DUE));
        _demand(_claim(OUTPUT));
    }

    /// @dev Invariant 6: no move on claims that never were.
    function test_noSuchClaim() public {
        _assertOver(tier.claimIdOf(_claim(OUTPUT)), ClaimStatus.NONE);
    }

    // Payments.

    /// @dev An asserter that cannot be paid holds up nobody.
    function test_withdraw_refused() public {
        Refuser refuser = new Refuser();
        bytes memory data = abi.encodeCall(
            tier.enrol, (modelId, SYSTEM, 1, PRICE, root, OUTPUT, _proof(root, OUTPUT, address(refuser)))
        );
        refuser.call(address(tier), data);
        Claim memory claim = _claim(OUTPUT);
        claim.asserter = address(refuser);
        refuser.call{value: BOND}(address(tier), abi.encodeCall(tier.claim, (claim, OUTPUT, INPUT)));
        _settle(claim, OUTPUT);
        data = abi.encodeCall(CreditLedger.withdraw, (payable(address(refuser))));
        vm.expectRevert(abi.encodeWithSelector(CreditLedger.WithdrawalFailed.selector, address(refuser)));
        refuser.call(address(tier), data);
        vm.assertEq(tier.credit(address(refuser)), BOND);
        refuser.call(address(tier), abi.encodeCall(CreditLedger.withdraw, (payable(address(0xD00)))));
        vm.assertEq(address(0xD00).balance, BOND);
        vm.assertEq(address(tier).balance, 0);
        vm.expectRevert(CreditLedger.NothingToWithdraw.selector);
        refuser.call(address(tier), data);
    }

    function test_withdraw_reentered() public {
        _post(OUTPUT, BOND);
        vm.warp(DUE);
        Reenterer reenterer = new Reenterer(tier);
        vm.prank(address(reenterer));
        tier.expire(_claim(OUTPUT));
        reenterer.take();
        vm.assertEq(address(reenterer).balance, BOND / 2);
        vm.assertEq(reenterer.refusal(), abi.encodeWithSelector(CreditLedger.NothingToWithdraw.selector));
    }

    function _assertOver(bytes32 claimId, ClaimStatus status) private {
        vm.assertTrue(tier.statusOf(claimId) == status);
        bytes memory refusal = abi.encodeWithSelector(IClaimTier.ClaimNotProvisional.selector, claimId, status);
        bytes memory proof = _proof(root, OUTPUT, address(0));
        Claim memory claim = _claim(OUTPUT);
        vm.expectRevert(refusal);
        tier.draw(claimId, "");
        vm.expectRevert(refusal);
        _demand(claim);
        vm.expectRevert(refusal);
        tier.settle(claim, OUTPUT, proof);
        vm.expectRevert(refusal);
        tier.finalise(claim);
        vm.expectRevert(refusal);
        tier.expire(claim);
    }

    function _refuseEnrol(bytes memory proof, bytes memory output, bytes4 selector) private {
        try this.enrolAs(BOB, proof, output) {
            vm.assertTrue(false);
        } catch (bytes memory reason) {
            vm.assertEq(bytes32(bytes4(reason)), bytes32(selector));
        }
    }

    function enrolAs(address asserter, bytes calldata proof, bytes calldata output) external {
        vm.prank(asserter);
        tier.enrol(modelId, SYSTEM, 1, 0, root, output, proof);
    }

    function _refuseClaim(Claim memory claim, bytes memory refusal) private {
        vm.expectRevert(refusal);
        vm.prank(ALICE);
        tier.claim{value: BOND}(claim, OUTPUT, INPUT);
    }

    function _refusePost(uint96 bond, bytes memory refusal) private {
        Claim memory claim = _bonded(OUTPUT, bond);
        vm.expectRevert(refusal);
        vm.prank(ALICE);
        tier.claim{value: bond}(claim, OUTPUT, INPUT);
    }

    function _bonded(bytes memory output, uint96 bond) private view returns (Claim memory claim) {
        claim = _claim(output);
        claim.bond = bond;
    }

    function _post(bytes memory output, uint96 bond) private returns (bytes32) {
        vm.prank(ALICE);
        return tier.claim{value: bond}(_bonded(output, bond), output, INPUT);
    }

    function _drawn(bool selected) private returns (bytes32 claimId) {
        claimId = _post(OUTPUT, BOND);
        tier.draw(claimId, _setLot(claimId, selected));
    }

    /// @dev Gives the lot's block a mix such that the lot selects the claim, or spares it.
    function _setLot(bytes32 claimId, bool selected) private returns (bytes memory header) {
        vm.roll(BEACON + 1);
        uint256 mix = 1;
        while (_selects(claimId, bytes32(mix), BLOCK) != selected) ++mix;
        return _mixed(BEACON, bytes32(mix));
    }

    function _demand(Claim memory claim) private {
        vm.prank(BOB);
        tier.demand{value: PRICE}(claim);
    }

    function _settle(Claim memory claim, bytes memory output) private {
        tier.settle(claim, output, _proof(claim.input, output, address(0)));
    }

    function vmSnapshot() private returns (uint256) {
        return vmBlocks.snapshotState();
    }

    function vmRevert(uint256 state) private {
        vm.assertTrue(vmBlocks.revertToState(state));
    }
}
