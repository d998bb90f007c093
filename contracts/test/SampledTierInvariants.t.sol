// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {ISampledTier, Lot} from "../src/interfaces/ISampledTier.sol";
import {SampledTier} from "../src/optimistic/SampledTier.sol";
import {Claim, ClaimStatus} from "../src/types/Claim.sol";
import {ModelId} from "../src/types/ModelId.sol";
import {SampledTest} from "./support/SampledTest.sol";

/// @notice Makes valid moves only, each of which must go through, and keeps books of its own.
contract SampledTierHandler is SampledTest {
    enum Move {
        POST,
        DRAW,
        DEMAND,
        SETTLE,
        FINALISE,
        EXPIRE,
        WITHDRAW,
        ENROL
    }

    struct Entry {
        Claim claim;
        bytes32 id;
        uint256 block_;
        uint256 deadline;
        uint256 price;
        Lot lot;
        address payer;
        ClaimStatus status;
    }

    uint32 private constant CAPACITY = 5;
    uint8 private constant LEAST = 2;

    Entry[] public entries;
    address[3] public asserters = [ALICE, BOB, address(0xA5)];
    address[2] public others = [CAROL, address(0x07)];
    mapping(address => uint256) public owed;
    mapping(address => uint256) public prices;
    mapping(address => uint256) public outstanding;
    uint256[8] public landed;
    uint256 public burnt;
    uint256 public live; // bonds and fees
    uint256 private _steps;

    function setUp() external {
        _setUpTier(1 << 14, LEAST);
        for (uint256 i = 0; i < 3; ++i) {
            prices[asserters[i]] = PRICE;
            _enrol(asserters[i], CAPACITY, PRICE);
        }
        vm.deal(address(this), type(uint96).max);
    }

    /// @notice Time goes by, and one move is made that is possible: the one that the seed names or the next that is.
    function step(uint256 seed) external {
        seed = uint256(keccak256(abi.encode(seed, ++_steps)));
        vm.warp(block.timestamp + seed % 120);
        vm.roll(block.number + (seed >> 8) % 3);
        if ((seed >> 16) % 64 == 0) vm.roll(block.number + 200);
        uint256 move = (seed >> 24) % 8;
        for (uint256 i = 0; i < 8; ++i) {
            // What is always possible comes last.
            uint256 next = i == 0 ? move : i == 7 ? uint256(Move.ENROL) : (move + i) % 7;
            if (_make(Move(next), seed >> 32)) {
                ++landed[next];
                return;
            }
        }
        assert(false);
    }

    /// @notice Whether a claim must be proved, by the books.
    function mustBeProved(uint256 i) public view returns (bool) {
        return entries[i].lot != Lot.SPARED || entries[i].payer != address(0);
    }

    function theTier() external view returns (SampledTier) {
        return tier;
    }

    function theModel() external view returns (ModelId) {
        return modelId;
    }

    function count() external view returns (uint256) {
        return entries.length;
    }

    function totalLanded() external view returns (uint256 total) {
        for (uint256 i = 0; i < 8; ++i) {
            total += landed[i];
        }
    }

    function steps() external view returns (uint256) {
        return _steps;
    }

    /// @notice Resolves a claim when its longest time is over, and everything is possible that must be.
    function resolve(uint256 i) external {
        Entry memory entry_ = entries[i];
        uint256 last = entry_.deadline + PROOF_WINDOW;
        if (block.timestamp < last) vm.warp(last);
        if (mustBeProved(i)) tier.expire(entry_.claim);
        else tier.finalise(entry_.claim);
    }

    function _make(Move move, uint256 seed) private returns (bool) {
        if (move == Move.POST) return _post(seed);
        if (move == Move.WITHDRAW) return _withdraw(seed);
        if (move == Move.ENROL) {
            address asserter = asserters[seed % 3];
            prices[asserter] = (seed >> 8) % 1 ether;
            _enrol(asserter, CAPACITY, uint96(prices[asserter]));
            return true;
        }
        // The first claim from a random place on with which the move is possible.
        for (uint256 i = 0; i < entries.length; ++i) {
            uint256 k = (seed + i) % entries.length;
            if (entries[k].status == ClaimStatus.PROVISIONAL && _makeOn(move, k, seed >> 64)) return true;
        }
        return false;
    }

    function _post(uint256 seed) private returns (bool) {
        for (uint256 i = 0; i < 3; ++i) {
            address asserter = asserters[(seed + i) % 3];
            if (outstanding[asserter] == CAPACITY) continue;
            Claim memory claim = _claim(OUTPUT);
            claim.asserter = asserter;
            claim.bond = uint96(BOND + entries.length); // odd and even ones
            claim.window = WINDOW + uint32((seed >> 8) % 500);
            vm.deal(asserter, claim.bond);
            vm.prank(asserter);
            bytes32 id = tier.claim{value: claim.bond}(claim, OUTPUT, INPUT);
            uint256 deadline = block.timestamp + claim.window;
            entries.push(
                Entry(
                    claim, id, block.number, deadline, prices[asserter], Lot.OPEN, address(0), ClaimStatus.PROVISIONAL
                )
            );
            ++outstanding[asserter];
            live += claim.bond;
            return true;
        }
        return false;
    }

    function _makeOn(Move move, uint256 k, uint256 seed) private returns (bool) {
        Entry storage entry_ = entries[k];
        bool early = block.timestamp < entry_.deadline;
        bool inTime = block.timestamp < entry_.deadline + PROOF_WINDOW;
        if (move == Move.DRAW) {
            uint256 posted = entry_.block_;
            uint256 beacon = posted + LEAST;
            if (entry_.lot != Lot.OPEN || !early || block.number <= beacon || block.number > posted + 256) {
                return false;
            }
            bytes32 prevRandao = keccak256(abi.encode("mix", beacon));
            tier.draw(entry_.id, _mixed(beacon, prevRandao));
            bool selected = _selects(entry_.id, prevRandao, posted);
            entry_.lot = selected ? Lot.SELECTED : Lot.SPARED;
        } else if (move == Move.DEMAND) {
            if (entry_.lot == Lot.SELECTED || !early || entry_.payer != address(0)) return false;
            entry_.payer = others[seed % 2];
            vm.deal(entry_.payer, entry_.price);
            vm.prank(entry_.payer);
            tier.demand{value: entry_.price}(entry_.claim);
            live += entry_.price;
        } else if (move == Move.SETTLE) {
            // Not all that could be: some must fall.
            if ((mustBeProved(k) && !inTime) || seed % 3 != 0) return false;
            tier.settle(entry_.claim, OUTPUT, _proof(root, OUTPUT, address(0)));
            _stand(entry_);
        } else if (move == Move.FINALISE) {
            if (early || mustBeProved(k)) return false;
            tier.finalise(entry_.claim);
            _stand(entry_);
        } else {
            if (inTime || !mustBeProved(k)) return false;
            address caller = others[seed % 2];
            vm.prank(caller);
            tier.expire(entry_.claim);
            entry_.status = ClaimStatus.REVOKED;
            --outstanding[entry_.claim.asserter];
            uint256 half = entry_.claim.bond / 2;
            burnt += entry_.claim.bond - half;
            live -= entry_.claim.bond;
            if (entry_.payer != address(0)) {
                owed[entry_.payer] += half + entry_.price;
                live -= entry_.price;
            } else {
                owed[caller] += half;
            }
        }
        return true;
    }

    function _stand(Entry storage entry_) private {
        entry_.status = ClaimStatus.FINAL;
        --outstanding[entry_.claim.asserter];
        uint256 amount = entry_.claim.bond + (entry_.payer != address(0) ? entry_.price : 0);
        live -= amount;
        owed[entry_.claim.asserter] += amount;
    }

    function _withdraw(uint256 seed) private returns (bool) {
        for (uint256 i = 0; i < 5; ++i) {
            uint256 k = (seed + i) % 5;
            address account = k < 3 ? asserters[k] : others[k - 3];
            if (owed[account] == 0) continue;
            uint256 before = account.balance;
            vm.prank(account);
            tier.withdraw(payable(account));
            vm.assertEq(account.balance, before + owed[account]);
            owed[account] = 0;
            return true;
        }
        return false;
    }
}

/// @notice Invariants of ISampledTier, by number.
contract SampledTierInvariantsTest is SampledTest {
    SampledTierHandler private handler;

    function setUp() public {
        handler = new SampledTierHandler();
        handler.setUp();
        (tier, modelId) = (handler.theTier(), handler.theModel());
    }

    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(handler);
    }

    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    function targetSelectors() external view returns (FuzzSelector[] memory selectors) {
        selectors = new FuzzSelector[](1);
        selectors[0] = FuzzSelector(address(handler), new bytes4[](1));
        selectors[0].selectors[0] = handler.step.selector;
    }

    /// forge-config: default.invariant.runs = 4
    /// forge-config: default.invariant.depth = 200
    /// forge-config: default.invariant.fail-on-revert = true
    /// forge-config: default.invariant.shrink-run-limit = 0
    function invariant_books() public view {
        // 4: every wei.
        uint256 owed = 0;
        for (uint256 i = 0; i < 5; ++i) {
            address account = i < 3 ? handler.asserters(i) : handler.others(i - 3);
            vm.assertEq(tier.credit(account), handler.owed(account));
            owed += handler.owed(account);
        }
        vm.assertEq(address(tier).balance, owed + handler.live() + handler.burnt());
        // 7: capacities.
        for (uint256 i = 0; i < 3; ++i) {
            address asserter = handler.asserters(i);
            ISampledTier.Enrolment memory said = tier.enrolmentOf(asserter, modelId, SYSTEM);
            vm.assertEq(said.outstanding, handler.outstanding(asserter));
            vm.assertTrue(said.outstanding <= said.capacity);
        }
        // 2, 3, 6: every claim is as the books say, whose moves are valid ones only.
        uint256 count = handler.count();
        for (uint256 i = count > 40 ? count - 40 : 0; i < count; ++i) {
            (Claim memory claim, bytes32 id,, uint256 deadline,, Lot lot, address payer, ClaimStatus status) =
                handler.entries(i);
            ISampledTier.ClaimState memory state = tier.claimOf(id);
            vm.assertTrue(state.status == status);
            if (status != ClaimStatus.PROVISIONAL) continue;
            vm.assertTrue(state.lot == lot && state.demanded == (payer != address(0)));
            vm.assertEq(state.deadline, deadline);
            vm.assertTrue(claim.bond >= tier.parameters().minBond);
        }
        vm.assertEq(handler.totalLanded(), handler.steps());
    }

    /// @dev All kinds of moves were made; and 5, whatever is left can be resolved.
    function afterInvariant() external {
        if (handler.steps() < 200) return; // a shorter sequence, as when a failure is being reduced
        for (uint256 i = 0; i < 8; ++i) {
            vm.assertTrue(handler.landed(i) > 0);
        }
        for (uint256 i = 0; i < handler.count(); ++i) {
            (,,,,,,, ClaimStatus status) = handler.entries(i);
            if (status == ClaimStatus.PROVISIONAL) handler.resolve(i);
        }
        for (uint256 i = 0; i < 3; ++i) {
            vm.assertEq(tier.enrolmentOf(handler.asserters(i), modelId, SYSTEM).outstanding, 0);
        }
    }
}
