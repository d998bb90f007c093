// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IClaimTier} from "../src/interfaces/IClaimTier.sol";
import {IInferenceOracle, RequestState} from "../src/interfaces/IInferenceOracle.sol";
import {InferenceOracle} from "../src/optimistic/InferenceOracle.sol";
import {ClaimStatus} from "../src/types/Claim.sol";
import {ClaimTierDouble} from "./support/ClaimTierDouble.sol";
import {Consumer, Manner} from "./support/Consumers.sol";
import {OracleTest} from "./support/OracleTest.sol";

/// @notice Makes valid moves only, each of which must go through whatever consumers do, and keeps books of its own.
contract OracleHandler is OracleTest {
    enum Move {
        REQUEST,
        FULFIL,
        ACCEPT,
        ANSWER,
        REOPEN,
        CONCLUDE,
        CANCEL,
        WITHDRAW
    }

    struct Entry {
        bytes32 id;
        bool byProof;
        uint256 bounty;
        uint256 deadline;
        RequestState state;
        address asserter;
        uint256 bond;
        uint256 lockedUntil;
        bytes32 claimId;
    }

    Entry[] public entries;
    address[3] public asserters = [ALICE, BOB, CAROL];
    mapping(address => uint256) public owed;
    uint256[8] public landed;
    uint256 public live; // bounties, and bonds of locks
    uint256 public steps;

    function setUp() external {
        _setUpOracle();
    }

    function theOracle() external view returns (InferenceOracle) {
        return oracle;
    }

    function theConsumer() external view returns (address) {
        return address(consumer);
    }

    function theDouble() external view returns (ClaimTierDouble) {
        return double;
    }

    function count() external view returns (uint256) {
        return entries.length;
    }

    function totalLanded() external view returns (uint256 total) {
        for (uint256 i = 0; i < 8; ++i) {
            total += landed[i];
        }
    }

    /// @notice Time goes by, the consumer changes its manners, and one move is made that is possible: the one that the
    /// seed names or the next that is.
    function step(uint256 seed) external {
        seed = uint256(keccak256(abi.encode(seed, ++steps)));
        vm.warp(block.timestamp + seed % 200);
        bytes memory call = abi.encodeCall(oracle.withdraw, (payable(address(0xF00))));
        if ((seed >> 8) % 6 != uint256(Manner.REENTERS)) call = "";
        consumer.set(Manner((seed >> 8) % 6), call);
        uint256 move = (seed >> 16) % 8;
        for (uint256 i = 0; i < 8; ++i) {
            // What is always possible comes last.
            uint256 next = i == 0 ? move : i == 7 ? uint256(Move.REQUEST) : 1 + (move + i) % 7;
            if (_make(Move(next), seed >> 32)) {
                ++landed[next];
                // What the consumer fetched while it was called.
                if (oracle.credit(address(consumer)) == 0) owed[address(consumer)] = 0;
                return;
            }
        }
        assert(false);
    }

    function _make(Move move, uint256 seed) private returns (bool) {
        if (move == Move.REQUEST) return _ask(seed);
        if (move == Move.WITHDRAW) return _withdraw(seed);
        for (uint256 i = 0; i < entries.length; ++i) {
            if (_makeOn(move, entries[(seed + i) % entries.length], seed >> 64)) return true;
        }
        return false;
    }

    function _ask(uint256 seed) private returns (bool) {
        IInferenceOracle.Request memory asked = _asked(seed % 3 == 0 ? IClaimTier(address(0)) : double);
        asked.deadline = uint40(block.timestamp + 1500 + seed % 2500);
        asked.callbackOnProvisional = seed % 2 == 0;
        uint256 bounty = (seed >> 8) % 1 ether;
        bytes memory result =
            consumer.run{value: bounty}(address(oracle), abi.encodeCall(oracle.request, (asked, "", "")));
        entries.push(
            Entry(
                abi.decode(result, (bytes32)),
                address(asked.tier) == address(0),
                bounty,
                asked.deadline,
                RequestState.OPEN,
                address(0),
                0,
                0,
                0
            )
        );
        live += bounty;
        return true;
    }

    function _makeOn(Move move, Entry storage entry_, uint256 seed) private returns (bool) {
        address account = asserters[seed % 3];
        bool inTime = block.timestamp + (entry_.byProof ? 1 : ANSWER_TIME + WINDOW + 50) <= entry_.deadline;
        bool lapsed = entry_.state == RequestState.LOCKED && block.timestamp >= entry_.lockedUntil;
        bool open = entry_.state == RequestState.OPEN;
        if (move == Move.FULFIL) {
            if (!open || !entry_.byProof || !inTime) return false;
            _fulfil(entry_.id, account);
            _done(entry_, account);
        } else if (move == Move.ACCEPT) {
            if (entry_.byProof || !(open || lapsed) || !inTime) return false;
            if (lapsed) _release(entry_);
            // No two claims are the same.
            uint256 bond = 1 ether + 1000 * steps + seed % 1000;
            vm.deal(account, bond);
            _accept(entry_.id, account, uint96(bond));
            (entry_.state, entry_.asserter, entry_.bond) = (RequestState.LOCKED, account, bond);
            entry_.lockedUntil = block.timestamp + ANSWER_TIME;
            live += bond;
        } else if (move == Move.ANSWER) {
            if (entry_.state != RequestState.LOCKED || lapsed) return false;
            entry_.claimId = _answer(entry_.id, entry_.asserter, OUTPUT);
            entry_.state = RequestState.ANSWERED;
            live -= entry_.bond;
            // Invariant 5.
            vm.assertTrue(double.latest(entry_.claimId) <= entry_.deadline);
        } else if (move == Move.REOPEN) {
            if (!lapsed) return false;
            oracle.reopen(entry_.id);
            _release(entry_);
        } else if (move == Move.CONCLUDE) {
            if (entry_.state != RequestState.ANSWERED) return false;
            bool stands = seed % 2 == 0;
            double.setStatus(entry_.claimId, stands ? ClaimStatus.FINAL : ClaimStatus.REVOKED);
            vm.prank(account);
            oracle.conclude(entry_.id, OUTPUT);
            if (stands) _done(entry_, entry_.asserter);
            else entry_.state = RequestState.OPEN;
        } else {
            bool byConsumer = !entry_.byProof && seed % 8 == 0;
            if (!(open || lapsed) || !(byConsumer || !inTime)) return false;
            if (lapsed) _release(entry_);
            if (byConsumer) consumer.run(address(oracle), abi.encodeCall(oracle.cancel, (entry_.id)));
            else oracle.cancel(entry_.id);
            entry_.state = RequestState.CANCELLED;
            live -= entry_.bounty;
            owed[address(consumer)] += entry_.bounty;
        }
        return true;
    }

    function _release(Entry storage entry_) private {
        owed[address(consumer)] += entry_.bond / 8;
        owed[entry_.asserter] += entry_.bond - entry_.bond / 8;
        live -= entry_.bond;
        entry_.state = RequestState.OPEN;
    }

    function _done(Entry storage entry_, address account) private {
        entry_.state = RequestState.DONE;
        live -= entry_.bounty;
        owed[account] += entry_.bounty;
    }

    function _withdraw(uint256 seed) private returns (bool) {
        for (uint256 i = 0; i < 3; ++i) {
            address account = asserters[(seed + i) % 3];
            if (owed[account] == 0) continue;
            uint256 before = account.balance;
            vm.prank(account);
            oracle.withdraw(payable(account));
            vm.assertEq(account.balance, before + owed[account]);
            owed[account] = 0;
            return true;
        }
        return false;
    }
}

/// @notice Invariants of IInferenceOracle, by number.
contract OracleInvariantsTest is OracleTest {
    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    OracleHandler private handler;

    function setUp() public {
        handler = new OracleHandler();
        handler.setUp();
        (oracle, double) = (handler.theOracle(), handler.theDouble());
    }

    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(handler);
    }

    function targetSelectors() external view returns (FuzzSelector[] memory selectors) {
        selectors = new FuzzSelector[](1);
        selectors[0] = FuzzSelector(address(handler), new bytes4[](1));
        selectors[0].selectors[0] = handler.step.selector;
    }

    /// @dev 1 and 2: every wei. 3: all moves went through, whatever consumers did. 4: who answered is who locked.
    /// forge-config: default.invariant.runs = 4
    /// forge-config: default.invariant.depth = 200
    /// forge-config: default.invariant.fail-on-revert = true
    /// forge-config: default.invariant.shrink-run-limit = 0
    function invariant_books() public view {
        uint256 owed = handler.owed(handler.theConsumer());
        vm.assertEq(oracle.credit(handler.theConsumer()), owed);
        for (uint256 i = 0; i < 3; ++i) {
            address account = handler.asserters(i);
            vm.assertEq(oracle.credit(account), handler.owed(account));
            owed += handler.owed(account);
        }
        vm.assertEq(address(oracle).balance, owed + handler.live());
        uint256 count = handler.count();
        for (uint256 i = count > 40 ? count - 40 : 0; i < count; ++i) {
            (bytes32 id,, uint256 bounty,, RequestState state, address asserter,,, bytes32 claimId) = handler.entries(i);
            IInferenceOracle.RequestRecord memory record = oracle.requestOf(id);
            vm.assertTrue(record.state == state);
            bool over = state == RequestState.DONE || state == RequestState.CANCELLED;
            vm.assertEq(record.bounty, over ? 0 : bounty);
            if (state == RequestState.LOCKED || state == RequestState.ANSWERED) {
                vm.assertEq(record.asserter, asserter);
            }
            if (state == RequestState.ANSWERED) vm.assertEq(record.claimId, claimId);
        }
        vm.assertEq(handler.totalLanded(), handler.steps());
    }

    /// @dev All kinds of moves were made.
    function afterInvariant() external view {
        if (handler.steps() < 200) return; // a shorter sequence
        for (uint256 i = 0; i < 8; ++i) {
            vm.assertTrue(handler.landed(i) > 0);
        }
    }
}
