// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {Turn} from "../../src/interfaces/IDisputeTier.sol";
import {ClaimStatus} from "../../src/types/Claim.sol";
import {DisputeLedger} from "./DisputeLedger.sol";
import {Dispute} from "./DisputeTest.sol";

/// @notice Makes valid moves of all sides of many claims at once, and counts them by kind. An honest asserter reveals in
/// time, an honest challenger challenges every false claim in time and moves in time: each at the last second, if the
/// fuzzer lets it come to that. A lying asserter and sybils do as the fuzzer likes.
contract DisputeHandler is DisputeLedger {
    uint256 private constant MOST_CLAIMS = 8; // at a time

    mapping(string kind => uint256) public landed;
    uint256 public moves; // of all kinds

    // ---- Claims

    function claimHonestly(uint256 seed) external {
        if (_provisionalClaims() >= MOST_CLAIMS) return;
        _claim(0, seed % 4 != 0);
        _landed("honest claim");
    }

    function claimFalsely(uint256 seed) external {
        if (_provisionalClaims() >= MOST_CLAIMS) return;
        _claim(1 + seed % 2, false);
        _landed("false claim");
    }

    /// @dev Tries any claim, and succeeds if and only if it may.
    function finalise(uint256 seed) external {
        uint256 index = _findClaim(seed, ClaimStatus.PROVISIONAL);
        if (index == NOWHERE) return;
        _finalise(index);
    }

    /// @dev A claim with live games, if there is one that a proof may settle.
    function settle(uint256 seed) external {
        uint256 found = NOWHERE;
        for (uint256 i = 0; i < claims.length && (found == NOWHERE || claims[found].games == 0); ++i) {
            uint256 index = (seed % claims.length + i) % claims.length;
            if (claims[index].settled && _statusOf(index) == ClaimStatus.PROVISIONAL) found = index;
        }
        if (found == NOWHERE) return;
        _settle(found);
        _landed("settle");
    }

    // ---- Games

    function openHonestly(uint256 seed) external {
        for (uint256 i = 0; i < claims.length; ++i) {
            uint256 index = (seed % claims.length + i) % claims.length;
            if (_isUnchallenged(index)) return _openHonestly(index);
        }
    }

    function openFalsely(uint256 seed, uint256 who) external {
        address sybil = address(uint160(SYBIL) + uint160(who % SYBILS));
        for (uint256 i = 0; i < claims.length; ++i) {
            uint256 index = (seed % claims.length + i) % claims.length;
            if (_statusOf(index) != ClaimStatus.PROVISIONAL || block.timestamp >= claims[index].deadline) continue;
            if (_turnAt(claims[index].id, sybil) != Turn.NONE) continue;
            _openGame(index, sybil);
            return _landed("sybil's game");
        }
    }

    function reveal(uint256 seed) external {
        uint256 index = _findGame(seed, Turn.REVEAL, false);
        if (index != NOWHERE) _revealAt(index);
    }

    function choose(uint256 seed) external {
        uint256 index = _findGame(seed, Turn.CHOOSE, false);
        if (index != NOWHERE) _chooseAt(index, seed);
    }

    /// @dev The proof after a descent, by whomever it is up to.
    function prove(uint256 seed) external {
        uint256 index = _findGame(seed, Turn.PROVE, false);
        if (index != NOWHERE) _proveAt(index, seed);
    }

    /// @dev A proof in the midst of a game.
    function proveDirectly(uint256 seed) external {
        uint256 index = _findGame(seed, Turn.CHOOSE, false);
        if (index == NOWHERE) index = _findGame(seed, Turn.REVEAL, false);
        if (index != NOWHERE) _proveAt(index, seed);
    }

    function expire(uint256 seed) external {
        Turn[3] memory turns = [Turn.REVEAL, Turn.CHOOSE, Turn.PROVE];
        for (uint256 i = 0; i < 3; ++i) {
            uint256 index = _findGame(seed, turns[(seed % 3 + i) % 3], true);
            if (index != NOWHERE) return _expireAt(index);
        }
    }

    function close(uint256 seed) external {
        for (uint256 i = 0; i < games.length; ++i) {
            uint256 index = (seed % games.length + i) % games.length;
            if (_isLive(index) && _statusOf(games[index].claim) != ClaimStatus.PROVISIONAL) return _closeAt(index);
        }
    }

    function withdraw(uint256 seed) external {
        for (uint256 i = 0; i < actors.length; ++i) {
            address actor = actors[(seed % actors.length + i) % actors.length];
            if (tier.credit(actor) != 0) return _withdraw(actor);
        }
    }

    // ---- Time

    /// @dev Honest sides do what they have to at the last second in which they may.
    function warp(uint256 seed) public {
        uint256 until = block.timestamp + bound(seed, 1, 900);
        while (true) {
            (uint256 due, uint256 game, uint256 claim) = _nextDuty();
            if (due > until) break;
            vm.warp(due);
            if (claim != NOWHERE) _openHonestly(claim);
            else if (_turnOf(game) == Turn.REVEAL) _revealAt(game);
            else if (_turnOf(game) == Turn.CHOOSE) _chooseAt(game, 0);
            else _proveAt(game, 0);
            _landed("last second");
        }
        vm.warp(until);
        _landed("warp");
    }

    /// @dev Answers all games once more, and plays one of each kind; then lets time pass until everything is resolved,
    /// and everybody has taken what is theirs.
    function finish() external {
        for (uint256 index = 0; index < games.length; ++index) {
            bool revealable = _turnOf(index) == Turn.REVEAL && !_isOverdue(index);
            if (revealable && _statusOf(games[index].claim) == ClaimStatus.PROVISIONAL) _revealAt(index);
        }
        _lastClaim(0, SYBIL); // lost, since the claim is settled
        _finalise(claims.length - 1);
        _settle(claims.length - 1);
        _landed("settle");
        _lastClaim(1, SYBIL); // won, since another wins
        _openHonestly(claims.length - 1);
        _proveAt(games.length - 1, 0);
        _lastClaim(0, SYBIL); // lost by a false proof
        _proveAt(games.length - 1, 0);
        _lastClaim(0, SYBIL); // answered at the last second, and not carried on with
        _lastClaim(1, CHALLENGER); // not answered
        _lastClaim(1, CHALLENGER); // to the end
        for (uint256 move = 0; move < 3; ++move) {
            if (move == 1) _chooseAt(games.length - 1, 0);
            else _revealAt(games.length - 1);
        }
        _proveAt(games.length - 1, 0);
        for (uint256 i = 0; i < 20; ++i) {
            warp(type(uint256).max);
            for (uint256 index = 0; index < games.length; ++index) {
                if (_isOverdue(index)) _expireAt(index);
            }
        }
        for (uint256 index = 0; index < claims.length; ++index) {
            if (_statusOf(index) == ClaimStatus.PROVISIONAL) _finalise(index);
        }
        for (uint256 index = 0; index < games.length; ++index) {
            if (_isLive(index)) _closeAt(index);
        }
        for (uint256 i = 0; i < actors.length; ++i) {
            if (tier.credit(actors[i]) != 0) _withdraw(actors[i]);
        }
    }

    /// @dev The earliest last second of something that an honest side has still to do.
    function _nextDuty() private view returns (uint256 due, uint256 game, uint256 claim) {
        (due, game, claim) = (type(uint256).max, NOWHERE, NOWHERE);
        for (uint256 i = 0; i < claims.length; ++i) {
            if (_isUnchallenged(i) && claims[i].deadline - 1 < due) (due, claim) = (claims[i].deadline - 1, i);
        }
        for (uint256 i = 0; i < games.length; ++i) {
            if (!_isLive(i) || _statusOf(games[i].claim) != ClaimStatus.PROVISIONAL) continue;
            bool isHonest =
                _turnOf(i) == Turn.REVEAL ? claims[games[i].claim].variant == 0 : games[i].challenger == CHALLENGER;
            if (isHonest && _dueOf(i) < due) (due, game, claim) = (_dueOf(i), i, NOWHERE);
        }
    }

    function _lastClaim(uint256 variant, address challenger) private {
        _claim(variant, variant == 0);
        _openGame(claims.length - 1, challenger);
    }

    function _provisionalClaims() private view returns (uint256 count) {
        for (uint256 i = 0; i < claims.length; ++i) {
            if (_statusOf(i) == ClaimStatus.PROVISIONAL) ++count;
        }
    }

    function _isUnchallenged(uint256 index) private view returns (bool) {
        return claims[index].variant != 0 && _statusOf(index) == ClaimStatus.PROVISIONAL
            && block.timestamp < claims[index].deadline && _turnAt(claims[index].id, CHALLENGER) == Turn.NONE;
    }

    // ---- Moves

    function _landed(string memory kind) private {
        ++landed[kind];
        ++moves;
    }

    function _openHonestly(uint256 index) private {
        _openGame(index, CHALLENGER);
        _landed("honest game");
    }

    function _finalise(uint256 index) private {
        bool may = block.timestamp >= claims[index].deadline && claims[index].games == 0;
        _tryToFinalise(index, may);
        _landed(may ? "finalise" : "finalise too early");
    }

    function _revealAt(uint256 index) private {
        Dispute memory d = _disputeOf(games[index].claim);
        _reveal(d, games[index].challenger);
        _landed("reveal");
        _observe();
    }

    function _chooseAt(uint256 index, uint256 seed) private {
        Dispute memory d = _disputeOf(games[index].claim);
        address challenger = games[index].challenger;
        uint256 levels = d.circuit.depth - 4; // of the only choice
        if (challenger == CHALLENGER) _choose(d, challenger);
        else _choose(d, challenger, seed % (1 << levels));
        _spent(index);
        _landed("choose");
        _observe();
    }

    /// @dev The honest challenger shows the false cell; a sybil any other cell of the leaf it has led to.
    function _proveAt(uint256 index, uint256 seed) private {
        Dispute memory d = _disputeOf(games[index].claim);
        address challenger = games[index].challenger;
        uint256 cell = falseCell[claims[games[index].claim].variant];
        (Turn turn,,, uint256 position) = tier.gameOf(d.id, challenger);
        uint256 paid = tier.credit(challenger);
        uint256 levels = turn == Turn.PROVE && seed % 2 == 0 ? 4 : 5;
        if (challenger == CHALLENGER) {
            _proveCell(d, challenger, Y, cell, levels);
        } else if (position == 1) {
            _proveCell(d, challenger, Z, seed % 10, levels); // the last leaf, behind the 16 rows of y
        } else {
            uint256 other = seed / 2 % (64 * 16);
            _proveCell(d, challenger, Y, other == cell ? other ^ 1 : other, levels);
        }
        _spent(index);
        if (challenger == CHALLENGER) _falls(index, tier.credit(challenger) - paid);
        else _isLost(index);
        _landed(challenger == CHALLENGER ? "true proof" : "false proof");
        _observe();
    }

    function _expireAt(uint256 index) private {
        bool asserters = _turnOf(index) == Turn.REVEAL;
        Dispute memory d = _disputeOf(games[index].claim);
        uint256 paid = tier.credit(games[index].challenger);
        _expire(d, games[index].challenger);
        if (asserters) _falls(index, tier.credit(games[index].challenger) - paid);
        else _isLost(index);
        _landed(asserters ? "silent asserter" : "silent challenger");
        _observe();
    }

    function _closeAt(uint256 index) private {
        Dispute memory d = _disputeOf(games[index].claim);
        uint256 paid = tier.credit(games[index].challenger);
        _close(d, games[index].challenger);
        bool won = _statusOf(games[index].claim) == ClaimStatus.REVOKED;
        if (won) _isWon(index, tier.credit(games[index].challenger) - paid, 0);
        else _isLost(index);
        _landed(won ? "close won" : "close lost");
        _observe();
    }

    function _withdraw(address actor) private {
        uint256 had = actor.balance;
        uint256 owed = tier.credit(actor);
        _as(actor);
        tier.withdraw(payable(actor));
        vm.assertEq(actor.balance, had + owed);
        ghostCredit[actor] -= owed;
        paidOut[actor] += owed;
        _landed("withdraw");
    }
}
