// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {Turn} from "../interfaces/IDisputeTier.sol";

/// @notice All that is stored of a game beside the disputed node, in one word, from the lowest bits up:
///
///   turn 8 | level 8 | depth 8 | position 32 | due 40 | asserter's time 32 | challenger's time 32 | opened 40 | spent 48
type GameState is uint256;

using GameStateLibrary for GameState global;

/// @notice Clocks are chess clocks. A side that is to move has the time left in its budget, or an extension if that is
/// more. What a move takes beyond the extension's part comes off the budget; an extension is not kept.
library GameStateLibrary {
    uint256 private constant LEVEL = 8;
    uint256 private constant DEPTH = 16;
    uint256 private constant POSITION = 24;
    uint256 private constant DUE = 56;
    uint256 private constant ASSERTER = 96;
    uint256 private constant CHALLENGER = 128;
    uint256 private constant OPENED = 160;
    uint256 private constant SPENT = 200;
    uint256 private constant GWEI = 1e9;

    /// @notice A game opened in this block, the asserter to move.
    function opened(uint256 depth_, uint256 asserterTime, uint256 challengerTime, uint256 extension)
        internal
        view
        returns (GameState)
    {
        return GameState.wrap(
            uint256(Turn.REVEAL) | depth_ << DEPTH | _due(asserterTime, extension) << DUE | asserterTime << ASSERTER
                | challengerTime << CHALLENGER | block.number << OPENED
        );
    }

    /// @notice Whose turn it is.
    function turn(GameState self) internal pure returns (Turn) {
        return Turn(uint8(GameState.unwrap(self)));
    }

    /// @notice How many times the game has been revealed and chosen.
    function level(GameState self) internal pure returns (uint256) {
        return uint8(GameState.unwrap(self) >> LEVEL);
    }

    /// @notice Depth of the trace.
    function depth(GameState self) internal pure returns (uint256) {
        return uint8(GameState.unwrap(self) >> DEPTH);
    }

    /// @notice The disputed node's place from the left at its height.
    function position(GameState self) internal pure returns (uint256) {
        return uint32(GameState.unwrap(self) >> POSITION);
    }

    /// @notice The last second of the move that is to be made.
    function due(GameState self) internal pure returns (uint256) {
        return uint40(GameState.unwrap(self) >> DUE);
    }

    /// @notice The block in which the game was opened.
    function openedBlock(GameState self) internal pure returns (uint256) {
        return uint40(GameState.unwrap(self) >> OPENED);
    }

    /// @notice What the challenger's moves have cost it, in wei.
    function spent(GameState self) internal pure returns (uint256) {
        return (GameState.unwrap(self) >> SPENT) * GWEI;
    }

    /// @notice After the asserter's move: the challenger is to choose, or to prove.
    function revealed(GameState self, bool last, uint256 extension) internal view returns (GameState) {
        return _pass(self, last ? Turn.PROVE : Turn.CHOOSE, ASSERTER, CHALLENGER, extension);
    }

    /// @notice After the challenger's choice of a child: the asserter is to reveal.
    function chosen(GameState self, uint256 child, uint256 levels, uint256 extension)
        internal
        view
        returns (GameState)
    {
        GameState next = _pass(self, Turn.REVEAL, CHALLENGER, ASSERTER, extension);
        uint256 position_ = self.position() << levels | child;
        uint256 rest = GameState.unwrap(next) & ~(uint256(type(uint32).max) << POSITION);
        unchecked {
            return GameState.wrap((rest | position_ << POSITION) + (1 << LEVEL));
        }
    }

    /// @notice The game with what a move of the challenger's cost added; it counts in gwei, and stops at its limit.
    function charged(GameState self, uint256 amount) internal pure returns (GameState) {
        unchecked {
            uint256 total = (GameState.unwrap(self) >> SPENT) + amount / GWEI;
            if (total > type(uint48).max) total = type(uint48).max;
            return GameState.wrap((GameState.unwrap(self) & ((1 << SPENT) - 1)) | total << SPENT);
        }
    }

    /// @notice The game, over.
    function closed(GameState self) internal pure returns (GameState) {
        return GameState.wrap((GameState.unwrap(self) & ~uint256(0xff)) | uint256(Turn.CLOSED));
    }

    /// @dev Stops the clock of the side that moved and starts the other's.
    function _pass(GameState self, Turn turn_, uint256 mover, uint256 other, uint256 extension)
        private
        view
        returns (GameState)
    {
        uint256 word = GameState.unwrap(self);
        uint256 left;
        unchecked {
            left = self.due() - block.timestamp; // a move is made in time
        }
        uint256 budget = uint32(word >> mover);
        if (left < budget) word = (word & ~(uint256(type(uint32).max) << mover)) | left << mover;
        word &= ~(uint256(type(uint40).max) << DUE) & ~uint256(0xff);
        return GameState.wrap(word | uint256(turn_) | _due(uint32(word >> other), extension) << DUE);
    }

    function _due(uint256 budget, uint256 extension) private view returns (uint256) {
        unchecked {
            return block.timestamp + (budget < extension ? extension : budget);
        }
    }
}
