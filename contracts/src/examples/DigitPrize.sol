// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IERC7992Verifier} from "../interfaces/IERC7992Verifier.sol";
import {IInferenceVerifier} from "../interfaces/IInferenceVerifier.sol";
import {IModelRegistry} from "../interfaces/IModelRegistry.sol";
import {SignedWords} from "../libraries/SignedWords.sol";
import {ModelId} from "../types/ModelId.sol";

/// @title Prizes for handwriting, an example of a contract that acts on what a model says
/// @notice Anybody offers a player a prize for writing a digit. The player draws it, proves that the model reads that
/// digit in the drawing, and is paid.
///
/// What such a contract must see to itself, and where this one does:
///
/// - which model is meant: the id is pinned at deployment. Whoever deploys compares the registration with the circuit
///   first, as `verinfer verify --rpc` does; on the chain nobody can tell an honest model from another.
/// - that nobody else uses the proof: it is checked with `msg.sender` as its recipient, so it must have been made for
///   the caller (`verinfer prove --recipient`). Whoever sees it in the queue of transactions can do nothing with it.
/// - that the caller does not use it twice: a drawing pays a player once. A proof has no memory; the contract must.
/// - what the outputs mean: one score for each digit, and a prize only where one score is above all others.
contract DigitPrize {
    struct Prize {
        uint256 amount;
        uint64 deadline;
        uint8 digit;
    }

    uint256 private constant DIGITS = 10;

    IInferenceVerifier public immutable VERIFIER;
    ModelId public immutable MODEL;

    mapping(address funder => mapping(address player => Prize)) public prizes;
    mapping(address player => mapping(bytes32 inputCommitment => bool)) public paidFor;

    event PrizeOffered(address indexed funder, address indexed player, uint256 digit, uint256 amount, uint256 deadline);
    event PrizePaid(address indexed funder, address indexed player, bytes32 indexed inputCommitment, uint256 amount);
    event PrizeWithdrawn(address indexed funder, address indexed player, uint256 amount);

    error NotADigit(uint256 digit);
    error NothingOffered(address funder, address player);
    error PrizeExists(address funder, address player);
    error TooLate(uint256 deadline);
    error TooEarly(uint256 deadline);
    error DrawingUsedBefore(bytes32 inputCommitment);
    error WrongDigit(uint256 expected, uint256 actual);
    error NoDigit();
    error WrongScoreCount(uint256 actual);
    error PaymentFailed(address to);

    constructor(IInferenceVerifier verifier, ModelId model) {
        (VERIFIER, MODEL) = (verifier, model);
        // Reverts if there is no such model, which a mistyped id would otherwise show with the first claim.
        IModelRegistry(IERC7992Verifier(address(verifier)).registry()).getModel(model);
    }

    /// @notice Offers `player` the value sent for writing `digit` until `deadline`, in seconds.
    function offer(address player, uint8 digit, uint64 deadline) external payable {
        if (digit >= DIGITS) revert NotADigit(digit);
        if (deadline < block.timestamp) revert TooLate(deadline);
        if (prizes[msg.sender][player].deadline != 0) revert PrizeExists(msg.sender, player);
        prizes[msg.sender][player] = Prize(msg.value, deadline, digit);
        emit PrizeOffered(msg.sender, player, digit, msg.value, deadline);
    }

    /// @notice Pays the caller what `funder` offered, if `proof` proves that the model reads the digit in the drawing.
    /// @param inputCommitment The drawing.
    /// @param output The model's scores, `abi.encode(int256[])`.
    /// @param proof A proof of them for the caller.
    function claim(address funder, bytes32 inputCommitment, bytes calldata output, bytes calldata proof) external {
        Prize memory prize = _take(funder, msg.sender);
        if (block.timestamp > prize.deadline) revert TooLate(prize.deadline);
        if (paidFor[msg.sender][inputCommitment]) revert DrawingUsedBefore(inputCommitment);
        paidFor[msg.sender][inputCommitment] = true;

        VERIFIER.checkInferenceFor(MODEL, inputCommitment, output, proof, msg.sender);
        uint256 digit = _digit(SignedWords.decode(output));
        if (digit != prize.digit) revert WrongDigit(prize.digit, digit);

        emit PrizePaid(funder, msg.sender, inputCommitment, prize.amount);
        _pay(msg.sender, prize.amount);
    }

    /// @notice Gives the caller back what `player` did not claim in time.
    function withdraw(address player) external {
        Prize memory prize = _take(msg.sender, player);
        if (block.timestamp <= prize.deadline) revert TooEarly(prize.deadline);
        emit PrizeWithdrawn(msg.sender, player, prize.amount);
        _pay(msg.sender, prize.amount);
    }

    /// @dev The prize is gone before anybody is called or paid: whoever is, finds nothing more to take.
    function _take(address funder, address player) private returns (Prize memory prize) {
        prize = prizes[funder][player];
        if (prize.deadline == 0) revert NothingOffered(funder, player);
        delete prizes[funder][player];
    }

    /// @dev The digit whose score is above all others.
    function _digit(int256[] calldata scores) private pure returns (uint256 best) {
        if (scores.length != DIGITS) revert WrongScoreCount(scores.length);
        bool alone = true;
        for (uint256 i = 1; i < DIGITS; ++i) {
            if (scores[i] > scores[best]) (best, alone) = (i, true);
            else if (scores[i] == scores[best]) alone = false;
        }
        if (!alone) revert NoDigit();
    }

    function _pay(address to, uint256 amount) private {
        (bool success,) = to.call{value: amount}("");
        if (!success) revert PaymentFailed(to);
    }
}
