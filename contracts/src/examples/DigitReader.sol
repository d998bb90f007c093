// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {CreditLedger} from "../optimistic/CreditLedger.sol";
import {IClaimTier} from "../interfaces/IClaimTier.sol";
import {IInferenceConsumer} from "../interfaces/IInferenceConsumer.sol";
import {IInferenceOracle} from "../interfaces/IInferenceOracle.sol";
import {ClaimStatus} from "../types/Claim.sol";
import {ModelId} from "../types/ModelId.sol";
import {ProofSystem} from "../types/ProofSystem.sol";

/// @title Which digit a model reads in a drawing, an example of a contract that asks an oracle
/// @notice Its owner pays for drawings to be read. What such a contract must see to itself, and where this one does:
///
/// - which model is meant, and how its answers are settled: pinned at deployment.
/// - that only the oracle tells it results, and only about what it asked: `onInference` checks both.
/// - that it acts on final answers only. Others may still fall.
/// - that it does little when it is called: the answer counts whether or not the call went through, and anybody can
///   carry it here later by `read`.
/// - that it can fetch what comes back of its bounties: `refund`. All of it is its owner's; a contract that asks with
///   the money of several people keeps accounts of whose is which.
contract DigitReader is IInferenceConsumer {
    uint32 private constant CALLBACK_GAS = 100_000;

    address payable public immutable OWNER;
    IInferenceOracle public immutable ORACLE;
    ModelId public immutable MODEL;
    IClaimTier public immutable TIER;
    ProofSystem public immutable PROOF_SYSTEM;
    uint96 public immutable BOND;
    uint32 public immutable WINDOW;

    /// @notice Whether this contract asked it.
    mapping(bytes32 requestId => bool) public asked;

    /// @notice The digit that was read, plus one; zero if none was, yet.
    mapping(bytes32 requestId => uint256) public digitPlusOne;

    event DigitRead(bytes32 indexed requestId, uint256 digit);

    error NotTheOwner(address caller);
    error NotTheOracle(address caller);
    error NotAsked(bytes32 requestId);
    error NotTheAnswer(bytes32 requestId);

    constructor(
        IInferenceOracle oracle,
        ModelId model,
        IClaimTier tier,
        ProofSystem proofSystem,
        uint96 bond,
        uint32 window
    ) {
        (ORACLE, MODEL, TIER, PROOF_SYSTEM) = (oracle, model, tier, proofSystem);
        (BOND, WINDOW, OWNER) = (bond, window, payable(msg.sender));
    }

    /// @notice Asks what digit is in a drawing (packed) until `deadline`. The value sent is what the answer is worth.
    function ask(bytes calldata drawing, uint40 deadline) external payable returns (bytes32 requestId) {
        if (msg.sender != OWNER) revert NotTheOwner(msg.sender);
        requestId = ORACLE.request{value: msg.value}(
            IInferenceOracle.Request({
                modelId: MODEL,
                input: bytes32(0), // the oracle computes it
                tier: TIER,
                proofSystem: PROOF_SYSTEM,
                minBond: BOND,
                window: WINDOW,
                deadline: deadline,
                callbackGas: CALLBACK_GAS,
                callbackOnProvisional: false
            }),
            drawing,
            ""
        );
        asked[requestId] = true;
    }

    /// @inheritdoc IInferenceConsumer
    function onInference(bytes32 requestId, ClaimStatus status, bytes calldata output) external override {
        if (msg.sender != address(ORACLE)) revert NotTheOracle(msg.sender);
        if (!asked[requestId]) revert NotAsked(requestId);
        if (status == ClaimStatus.FINAL) _record(requestId, output);
    }

    /// @notice Takes note of an answer that this contract was not told of.
    function read(bytes32 requestId, bytes calldata output) external {
        if (!asked[requestId]) revert NotAsked(requestId);
        if (ORACLE.statusOfOutput(requestId, output) != ClaimStatus.FINAL) revert NotTheAnswer(requestId);
        _record(requestId, output);
    }

    /// @notice Pays the owner what came back: bounties of requests that nobody answered, and what asserters paid for
    /// not answering in time.
    function refund() external {
        CreditLedger(address(ORACLE)).withdraw(OWNER);
    }

    /// @dev The digit with the highest of the scores, of one byte each or of several.
    function _record(bytes32 requestId, bytes calldata output) private {
        uint256 width = output.length / 10;
        uint256 best;
        int256 highest = type(int256).min;
        for (uint256 digit = 0; digit < 10; ++digit) {
            int256 score = int256(uint256(bytes32(output[digit * width:]))) >> (256 - 8 * width);
            if (score > highest) (best, highest) = (digit, score);
        }
        digitPlusOne[requestId] = best + 1;
        emit DigitRead(requestId, best);
    }
}
