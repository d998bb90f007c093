// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IModelRegistry} from "../src/interfaces/IModelRegistry.sol";
import {ITierVerifier} from "../src/interfaces/ITierVerifier.sol";
import {InferenceVerifier} from "../src/InferenceVerifier.sol";
import {DigitPrize} from "../src/examples/DigitPrize.sol";
import {SignedWords} from "../src/libraries/SignedWords.sol";
import {ModelId} from "../src/types/ModelId.sol";
import {ProofSystem} from "../src/types/ProofSystem.sol";
import {TierKey} from "../src/types/TierKey.sol";
import {HashTier} from "./support/HashTier.sol";
import {Headers} from "./support/Headers.sol";
import {RegistryTest} from "./support/RegistryTest.sol";

/// @notice A player that claims again while it is being paid.
contract ReenteringPlayer {
    DigitPrize private immutable PRIZE;
    bytes private _again;
    bytes public answer;

    constructor(DigitPrize prize) {
        PRIZE = prize;
    }

    function run(bytes calldata first, bytes calldata again) external {
        _again = again;
        (bool success, bytes memory data) = address(PRIZE).call(first);
        if (!success) {
            assembly {
                revert(add(data, 32), mload(data))
            }
        }
    }

    receive() external payable {
        (, answer) = address(PRIZE).call(_again);
    }
}

contract DigitPrizeTest is RegistryTest {
    address private constant ALICE = address(0xA11CE);
    address private constant BOB = address(0xB0B);
    bytes32 private constant DRAWING = keccak256("drawing");

    InferenceVerifier private verifier;
    DigitPrize private prize;

    receive() external payable {}

    function setUp() public {
        ITierVerifier[] memory tiers = new ITierVerifier[](1);
        tiers[0] = new HashTier();
        verifier = new InferenceVerifier(registry, tiers);
        entry.header = Headers.vectors(64, 0, 16, 10, -1000, 1000);
        entry.tiers.push(TierKey(ProofSystem.wrap(0x11111111), address(0), bytes32(0), keccak256("key")));
        prize = new DigitPrize(verifier, _register());
        prize.offer{value: 1 ether}(ALICE, 7, 1000);
    }

    function test_claim_paysThePlayer() public {
        bytes memory output = _scores(7);
        bytes memory proof = _proof(DRAWING, output, ALICE);
        vm.expectEmit(address(prize));
        emit DigitPrize.PrizePaid(address(this), ALICE, DRAWING, 1 ether);
        vm.prank(ALICE);
        prize.claim(address(this), DRAWING, output, proof);
        vm.assertEq(ALICE.balance, 1 ether);
        vm.assertEq(address(prize).balance, 0);
    }

    function test_claim_once() public {
        _claim(DRAWING, 7);
        vm.expectRevert(abi.encodeWithSelector(DigitPrize.NothingOffered.selector, address(this), ALICE));
        _claim(DRAWING, 7);
        // Not for another prize either.
        prize.offer{value: 1 ether}(ALICE, 7, 1000);
        vm.expectRevert(abi.encodeWithSelector(DigitPrize.DrawingUsedBefore.selector, DRAWING));
        _claim(DRAWING, 7);
        _claim(keccak256("another drawing"), 7);
        vm.assertEq(ALICE.balance, 2 ether);
    }

    /// @dev Bob has a prize of his own to claim; Alice's proof does not help him.
    function test_claim_refusesTheProofOfAnother() public {
        prize.offer{value: 1 ether}(BOB, 7, 1000);
        bytes memory output = _scores(7);
        bytes memory proof = _proof(DRAWING, output, ALICE);
        vm.expectRevert(HashTier.Refused.selector);
        vm.prank(BOB);
        prize.claim(address(this), DRAWING, output, proof);
        bytes memory forAnyone = _proof(DRAWING, output, address(0));
        vm.expectRevert(HashTier.Refused.selector);
        vm.prank(BOB);
        prize.claim(address(this), DRAWING, output, forAnyone);
        _claim(DRAWING, 7);
    }

    function testFuzz_claim_refusesAnotherDigit(uint8 digit) public {
        digit = uint8(bound(digit, 0, 9));
        vm.assume(digit != 7);
        vm.expectRevert(abi.encodeWithSelector(DigitPrize.WrongDigit.selector, 7, digit));
        _claim(DRAWING, digit);
    }

    function test_claim_refusesScoresThatNameNoDigit() public {
        int256[] memory scores = new int256[](10);
        _expectRefusal(abi.encode(scores), abi.encodeWithSelector(DigitPrize.NoDigit.selector));
        (scores[3], scores[7]) = (int256(5), 5);
        _expectRefusal(abi.encode(scores), abi.encodeWithSelector(DigitPrize.NoDigit.selector));
        int256[] memory more = new int256[](11);
        more[7] = 1;
        _expectRefusal(abi.encode(more), abi.encodeWithSelector(DigitPrize.WrongScoreCount.selector, 11));
    }

    function test_claim_ofNegativeScores() public {
        int256[] memory scores = new int256[](10);
        for (uint256 i = 0; i < 10; ++i) {
            scores[i] = i == 7 ? int256(-1) : int256(-2);
        }
        bytes memory output = abi.encode(scores);
        bytes memory proof = _proof(DRAWING, output, ALICE);
        vm.prank(ALICE);
        prize.claim(address(this), DRAWING, output, proof);
        vm.assertEq(ALICE.balance, 1 ether);
    }

    /// @dev Even with a verifier that would accept it.
    function test_claim_refusesAnotherEncoding() public {
        bytes memory selector = abi.encodeWithSelector(SignedWords.OutputEncodingMalformed.selector);
        _expectRefusal(abi.encodePacked(_scores(7), hex"00"), selector);
        _expectRefusal("", selector);
    }

    function test_claim_inTimeOnly() public {
        vm.warp(1001);
        vm.expectRevert(abi.encodeWithSelector(DigitPrize.TooLate.selector, 1000));
        _claim(DRAWING, 7);
        vm.warp(1000);
        _claim(DRAWING, 7);
    }

    function test_claim_reentering() public {
        ReenteringPlayer player = new ReenteringPlayer(prize);
        prize.offer{value: 1 ether}(address(player), 7, 1000);
        bytes memory output = _scores(7);
        bytes memory first = _call(DRAWING, output, address(player));
        bytes memory again = _call(keccak256("another drawing"), output, address(player));
        player.run(first, again);
        vm.assertEq(address(player).balance, 1 ether);
        vm.assertEq(
            player.answer(), abi.encodeWithSelector(DigitPrize.NothingOffered.selector, address(this), address(player))
        );
    }

    function test_claim_paymentThatFails() public {
        prize.offer{value: 1 ether}(address(registry), 7, 1000);
        bytes memory output = _scores(7);
        bytes memory proof = _proof(DRAWING, output, address(registry));
        vm.expectRevert(abi.encodeWithSelector(DigitPrize.PaymentFailed.selector, address(registry)));
        vm.prank(address(registry));
        prize.claim(address(this), DRAWING, output, proof);
    }

    function test_offer_refusals() public {
        vm.expectRevert(abi.encodeWithSelector(DigitPrize.PrizeExists.selector, address(this), ALICE));
        prize.offer(ALICE, 3, 1000);
        vm.expectRevert(abi.encodeWithSelector(DigitPrize.NotADigit.selector, 10));
        prize.offer(BOB, 10, 1000);
        vm.warp(500);
        vm.expectRevert(abi.encodeWithSelector(DigitPrize.TooLate.selector, 499));
        prize.offer(BOB, 3, 499);
    }

    function test_withdraw() public {
        vm.warp(1000);
        vm.expectRevert(abi.encodeWithSelector(DigitPrize.TooEarly.selector, 1000));
        prize.withdraw(ALICE);
        vm.warp(1001);
        vm.expectRevert(abi.encodeWithSelector(DigitPrize.NothingOffered.selector, BOB, ALICE));
        vm.prank(BOB);
        prize.withdraw(ALICE);
        uint256 before = address(this).balance;
        prize.withdraw(ALICE);
        vm.assertEq(address(this).balance, before + 1 ether);
        vm.expectRevert(abi.encodeWithSelector(DigitPrize.NothingOffered.selector, address(this), ALICE));
        prize.withdraw(ALICE);
    }

    function test_constructor_needsAModel() public {
        vm.expectRevert(abi.encodeWithSelector(IModelRegistry.ModelNotFound.selector, 1));
        new DigitPrize(verifier, ModelId.wrap(1));
        vm.assertEq(address(prize.VERIFIER()), address(verifier));
    }

    function _claim(bytes32 drawing, uint256 digit) private {
        bytes memory output = _scores(digit);
        bytes memory proof = _proof(drawing, output, ALICE);
        vm.prank(ALICE);
        prize.claim(address(this), drawing, output, proof);
    }

    function _expectRefusal(bytes memory output, bytes memory error_) private {
        bytes memory proof = _proof(DRAWING, output, ALICE);
        vm.expectRevert(error_);
        vm.prank(ALICE);
        prize.claim(address(this), DRAWING, output, proof);
    }

    function _call(bytes32 drawing, bytes memory output, address player) private view returns (bytes memory) {
        return abi.encodeCall(prize.claim, (address(this), drawing, output, _proof(drawing, output, player)));
    }

    function _scores(uint256 digit) private pure returns (bytes memory) {
        int256[] memory scores = new int256[](10);
        scores[digit] = 100;
        return abi.encode(scores);
    }

    function _proof(bytes32 drawing, bytes memory output, address recipient) private pure returns (bytes memory) {
        return abi.encodePacked(bytes4(0x11111111), keccak256(abi.encode(drawing, output, recipient)));
    }
}
