// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {DisputeTier} from "../src/optimistic/DisputeTier.sol";
import {ClaimStatus} from "../src/types/Claim.sol";
import {DisputeHandler} from "./support/DisputeHandler.sol";
import {Test} from "./support/Test.sol";

/// @notice What holds after any sequence of moves of honest and dishonest sides of many claims.
contract DisputeTierInvariants is Test {
    /// @dev What forge asks for.
    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    address private constant ASSERTER = address(0xA55E);
    address private constant CHALLENGER = address(0xC4A1);

    DisputeHandler private handler;
    DisputeTier private tier;

    function setUp() public {
        handler = new DisputeHandler();
        tier = DisputeTier(handler.theTier());
    }

    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(handler);
    }

    function excludeSelectors() external view returns (FuzzSelector[] memory excluded) {
        excluded = new FuzzSelector[](1);
        bytes4[] memory selectors = new bytes4[](1);
        selectors[0] = handler.finish.selector;
        excluded[0] = FuzzSelector(address(handler), selectors);
    }

    /// @dev Invariants 3 and 6 are asserted by the handler, with each move.
    /// forge-config: default.invariant.runs = 8
    /// forge-config: default.invariant.depth = 200
    /// forge-config: default.invariant.fail-on-revert = true
    /// forge-config: default.invariant.shrink-run-limit = 50
    function invariant_1_2_4() external view {
        _honestSidesLoseNothing();
        _verdictsAreRight();
        _moneyIsConserved();
    }

    /// @dev After every run: all kinds of moves have been made, everything can be resolved, and nothing is stuck.
    function afterInvariant() external {
        string[18] memory kinds = [
            "honest claim",
            "false claim",
            "finalise",
            "finalise too early",
            "settle",
            "honest game",
            "sybil's game",
            "reveal",
            "choose",
            "true proof",
            "false proof",
            "silent asserter",
            "silent challenger",
            "close won",
            "close lost",
            "withdraw",
            "warp",
            "last second"
        ];
        handler.finish();
        for (uint256 i = 0; i < kinds.length; ++i) {
            if (handler.landed(kinds[i]) == 0) revert(kinds[i]);
        }
        _honestSidesLoseNothing();
        _verdictsAreRight();
        _moneyIsConserved();
        for (uint256 i = 0; i < handler.claimCount(); ++i) {
            (bytes32 id,,,,,,,) = handler.claims(i);
            vm.assertLt(uint256(ClaimStatus.PROVISIONAL), uint256(tier.statusOf(id)));
        }
        for (uint256 i = 0; i < handler.actorCount(); ++i) {
            vm.assertEq(handler.atStake(handler.actors(i)), 0);
            vm.assertEq(tier.credit(handler.actors(i)), 0);
        }
    }

    /// @dev Invariants 1 and 2: neither an honest asserter nor an honest challenger has less than it paid in.
    function _honestSidesLoseNothing() private view {
        address[2] memory honest = [ASSERTER, CHALLENGER];
        for (uint256 i = 0; i < 2; ++i) {
            uint256 has = tier.credit(honest[i]) + handler.paidOut(honest[i]) + handler.atStake(honest[i]);
            vm.assertLe(handler.paidIn(honest[i]), has);
        }
    }

    /// @dev Invariants 1 and 2: no honest claim falls, and no false one stands.
    function _verdictsAreRight() private view {
        for (uint256 i = 0; i < handler.claimCount(); ++i) {
            (bytes32 id, uint256 variant,,,,,,) = handler.claims(i);
            vm.assertNotEq(uint256(tier.statusOf(id)), uint256(variant == 0 ? ClaimStatus.REVOKED : ClaimStatus.FINAL));
        }
    }

    /// @dev Invariant 4: the balance is what is owed, what is at stake, what is left in pots, and what is burnt.
    function _moneyIsConserved() private view {
        uint256 total = handler.burnt();
        for (uint256 i = 0; i < handler.actorCount(); ++i) {
            address actor = handler.actors(i);
            vm.assertEq(tier.credit(actor), handler.ghostCredit(actor));
            total += tier.credit(actor) + handler.atStake(actor);
        }
        for (uint256 i = 0; i < handler.claimCount(); ++i) {
            (bytes32 id,,,,, uint256 games, uint256 pot,) = handler.claims(i);
            (,, uint256 liveGames, uint256 left) = tier.stateOf(id);
            vm.assertEq(liveGames, games);
            vm.assertEq(left, pot);
            total += pot;
        }
        vm.assertEq(address(tier).balance, total);
    }
}
