// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {Turn} from "../../src/interfaces/IDisputeTier.sol";
import {IClaimTier} from "../../src/interfaces/IClaimTier.sol";
import {IDisputeTier} from "../../src/interfaces/IDisputeTier.sol";
import {ClaimStatus} from "../../src/types/Claim.sol";
import {Dispute, DisputeTest} from "./DisputeTest.sol";

/// @notice A second set of books beside the tier's own: claims, games, and money by the rules, kept apart from it.
abstract contract DisputeLedger is DisputeTest {
    struct ClaimRecord {
        bytes32 id;
        uint256 variant; // 0 is honest
        uint96 bond;
        bool settled; // whether a proof may settle it
        uint256 deadline;
        uint256 games;
        uint256 pot;
        ClaimStatus seen;
    }

    struct GameRecord {
        uint256 claim;
        address challenger;
        uint256 spent; // at most this, in wei, was burnt for its moves
        uint256 seen; // its level and turn as one rising number
    }

    uint256 internal constant NOWHERE = type(uint256).max;
    uint256 internal constant SYBILS = 3;
    address internal constant SYBIL = address(0x5B11); // the first of them
    address internal constant LIAR = address(0x11A8);

    ClaimRecord[] public claims;
    GameRecord[] public games;
    address[] public actors;
    uint256[3] internal falseCell;

    mapping(address actor => uint256) public ghostCredit;
    mapping(address actor => uint256) public paidIn;
    mapping(address actor => uint256) public paidOut;
    mapping(address actor => uint256) public atStake; // bonds of live claims and games
    uint256 public burnt; // halves of lost challenges

    /// @dev Three variants of one dispute, 17 leaves each: an honest one, and two whose last rows are false, so that the
    /// outputs are as well. They are kept as code, which is read at once.
    constructor() {
        falseCell[1] = 64 * 16 - 1;
        falseCell[2] = 64 * 16 - 7;
        Dispute memory d = _dispute(16, 10, 0, 0);
        for (uint256 i = 0; i < 3; ++i) {
            d.claimed = d.circuit.run(d.honest.input, falseCell[i], i == 0 ? int256(0) : int256(2 * i));
            _commit(d);
            d.claim.asserter = i == 0 ? ASSERTER : LIAR;
            vm.etch(_keeper(i), abi.encode(d));
        }
        actors = [ASSERTER, LIAR, CHALLENGER];
        for (uint256 i = 0; i < SYBILS; ++i) {
            actors.push(address(uint160(SYBIL) + uint160(i)));
        }
        for (uint256 i = 0; i < actors.length; ++i) {
            vm.deal(actors[i], 1_000_000 ether);
        }
    }

    // ---- What is so

    function claimCount() external view returns (uint256) {
        return claims.length;
    }

    function gameCount() external view returns (uint256) {
        return games.length;
    }

    function actorCount() external view returns (uint256) {
        return actors.length;
    }

    function theTier() external view returns (address) {
        return address(tier);
    }

    function _statusOf(uint256 index) internal view returns (ClaimStatus) {
        return tier.statusOf(claims[index].id);
    }

    function _turnAt(bytes32 id, address challenger) internal view returns (Turn turn) {
        (turn,,,) = tier.gameOf(id, challenger);
    }

    function _turnOf(uint256 index) internal view returns (Turn) {
        return _turnAt(claims[games[index].claim].id, games[index].challenger);
    }

    function _dueOf(uint256 index) internal view returns (uint256 due) {
        (, due,,) = tier.gameOf(claims[games[index].claim].id, games[index].challenger);
    }

    function _isLive(uint256 index) internal view returns (bool) {
        return _turnOf(index) != Turn.CLOSED;
    }

    function _isOverdue(uint256 index) internal view returns (bool) {
        return
            _isLive(index) && _statusOf(games[index].claim) == ClaimStatus.PROVISIONAL
                && block.timestamp > _dueOf(index);
    }

    /// @dev A claim of this status, counted from a random one on.
    function _findClaim(uint256 seed, ClaimStatus status) internal view returns (uint256) {
        for (uint256 i = 0; i < claims.length; ++i) {
            uint256 index = (seed % claims.length + i) % claims.length;
            if (_statusOf(index) == status) return index;
        }
        return NOWHERE;
    }

    /// @dev A game of a provisional claim, in which this turn is overdue or not.
    function _findGame(uint256 seed, Turn turn, bool overdue) internal view returns (uint256) {
        for (uint256 i = 0; i < games.length; ++i) {
            uint256 index = (seed % games.length + i) % games.length;
            if (_turnOf(index) != turn || _statusOf(games[index].claim) != ClaimStatus.PROVISIONAL) continue;
            if (block.timestamp > _dueOf(index) == overdue) return index;
        }
        return NOWHERE;
    }

    function _disputeOf(uint256 index) internal view returns (Dispute memory d) {
        d = abi.decode(_keeper(claims[index].variant).code, (Dispute));
        d.claim.bond = claims[index].bond;
        if (claims[index].settled) d.claim.settledBy = SYSTEM;
        d.id = claims[index].id;
    }

    function _keeper(uint256 variant) private pure returns (address) {
        return address(uint160(0xDA7A0000 + variant));
    }

    // ---- Moves, and what they come to

    /// @dev Claims differ by their bonds.
    function _claim(uint256 variant, bool settled) internal {
        uint96 bond = BOND + uint96(claims.length);
        claims.push(ClaimRecord(0, variant, bond, settled, block.timestamp + WINDOW, 0, 0, ClaimStatus.PROVISIONAL));
        uint256 index = claims.length - 1;
        Dispute memory d = _disputeOf(index);
        claims[index].id = tier.claimIdOf(d.claim);
        _as(d.claim.asserter);
        tier.claim{value: bond}(d.claim, d.claimed.output, d.claimed.input);
        _stakes(d.claim.asserter, bond);
    }

    /// @dev Invariant 3: it is final from its deadline on, without a live game; not before, not with one.
    function _tryToFinalise(uint256 index, bool may) internal {
        Dispute memory d = _disputeOf(index);
        if (!may) {
            bool early = block.timestamp < claims[index].deadline;
            _refuses(
                abi.encodePacked(early ? IClaimTier.ClaimPending.selector : IDisputeTier.GameStillDecides.selector)
            );
        }
        _as(ANYBODY);
        tier.finalise(d.claim);
        if (may) _gets(d.claim.asserter, d.claim.bond, d.claim.bond);
        _observe();
    }

    function _settle(uint256 index) internal {
        Dispute memory d = _disputeOf(index);
        _settle(d);
        _gets(d.claim.asserter, d.claim.bond, d.claim.bond);
        _observe();
    }

    function _openGame(uint256 index, address challenger) internal {
        Dispute memory d = _disputeOf(index);
        _open(d, challenger);
        _stakes(challenger, CHALLENGER_BOND);
        ++claims[index].games;
        games.push(GameRecord(index, challenger, 0, 0));
        _spent(games.length - 1);
        _observe();
    }

    /// @dev The move just made was one of this game's challenger: at most this was burnt for it.
    function _spent(uint256 index) internal {
        games[index].spent += (vm.lastCallGas().gasTotalUsed + 21_000 + 16 * 3_000) * block.basefee;
    }

    /// @dev The claim falls by a game.
    function _falls(uint256 index, uint256 received) internal {
        ClaimRecord storage claim = claims[games[index].claim];
        uint256 half = claim.bond / 2;
        claim.pot = half;
        atStake[claim.variant == 0 ? ASSERTER : LIAR] -= claim.bond;
        _isWon(index, received, claim.bond - half);
    }

    /// @dev A game is over, and its challenger has got something: its bond, a reward, and what is refunded from the pot.
    function _isWon(uint256 index, uint256 received, uint256 reward) internal {
        ClaimRecord storage claim = claims[games[index].claim];
        uint256 refund = received - CHALLENGER_BOND - reward;
        vm.assertLe(refund, games[index].spent);
        claim.pot -= refund;
        --claim.games;
        _gets(games[index].challenger, received, CHALLENGER_BOND);
    }

    /// @dev A game is over, and half of its bond is the asserter's.
    function _isLost(uint256 index) internal {
        ClaimRecord storage claim = claims[games[index].claim];
        --claim.games;
        uint256 half = CHALLENGER_BOND / 2;
        burnt += half;
        atStake[games[index].challenger] -= CHALLENGER_BOND;
        _gets(claim.variant == 0 ? ASSERTER : LIAR, CHALLENGER_BOND - half, 0);
    }

    function _stakes(address actor, uint256 amount) private {
        paidIn[actor] += amount;
        atStake[actor] += amount;
    }

    function _gets(address actor, uint256 amount, uint256 freed) private {
        ghostCredit[actor] += amount;
        atStake[actor] -= freed;
    }

    /// @dev Invariant 6: what was resolved stays as it is, and a game's level and turn only rise.
    function _observe() internal {
        for (uint256 i = 0; i < claims.length; ++i) {
            ClaimStatus now_ = _statusOf(i);
            ClaimStatus before = claims[i].seen;
            if (before != ClaimStatus.PROVISIONAL) vm.assertEq(uint256(now_), uint256(before));
            vm.assertLt(uint256(ClaimStatus.NONE), uint256(now_));
            claims[i].seen = now_;
        }
        for (uint256 i = 0; i < games.length; ++i) {
            bytes32 id = claims[games[i].claim].id;
            (Turn turn,, uint256 level,) = tier.gameOf(id, games[i].challenger);
            uint256 now_ = turn == Turn.CLOSED ? type(uint256).max : 8 * level + uint256(turn);
            vm.assertLe(games[i].seen, now_);
            games[i].seen = now_;
        }
    }
}
