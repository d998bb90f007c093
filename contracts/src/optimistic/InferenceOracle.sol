// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {IClaimTier} from "../interfaces/IClaimTier.sol";
import {IERC7992Verifier} from "../interfaces/IERC7992Verifier.sol";
import {IInferenceConsumer} from "../interfaces/IInferenceConsumer.sol";
import {IInferenceOracle, RequestState} from "../interfaces/IInferenceOracle.sol";
import {IInferenceVerifier} from "../interfaces/IInferenceVerifier.sol";
import {IModelRegistry} from "../interfaces/IModelRegistry.sol";
import {CappedCall} from "../libraries/CappedCall.sol";
import {InputTree} from "../libraries/InputTree.sol";
import {PackedOutputs} from "../libraries/PackedOutputs.sol";
import {ProofBytes} from "../libraries/ProofBytes.sol";
import {Claim, ClaimStatus} from "../types/Claim.sol";
import {ModelId} from "../types/ModelId.sol";
import {ProofSystem} from "../types/ProofSystem.sol";
import {CreditLedger} from "./CreditLedger.sol";

/// @title Inferences on request
/// @dev What calls a consumer does so last, when all state is written: it finds nothing half done. The guard is a
/// second wall; it leaves `request` and `withdraw` open to a consumer that is being called.
contract InferenceOracle is IInferenceOracle, CreditLedger, ReentrancyGuardTransient {
    /// @dev Calls with more could not be made within a block's gas, and would hold the bounty up.
    uint256 private constant MAX_CALLBACK_GAS = 5_000_000;

    /// @dev What of a lock's bond goes to the consumer if no answer comes: one part in this many.
    uint256 private constant PENALTY_DIVISOR = 8;

    IModelRegistry public immutable REGISTRY;
    IInferenceVerifier public immutable VERIFIER;
    uint32 private immutable ANSWER_TIME;
    uint96 private immutable MIN_BOND;

    /// @inheritdoc IInferenceOracle
    mapping(IClaimTier tier => bool) public override isTier;

    /// @inheritdoc IInferenceOracle
    mapping(address consumer => uint256) public override requestCountOf;

    mapping(bytes32 requestId => RequestRecord) private _requests;

    constructor(
        IModelRegistry registry,
        IInferenceVerifier verifier,
        IClaimTier[] memory tiers,
        Parameters memory parameters_
    ) {
        address looksIn = IERC7992Verifier(address(verifier)).registry();
        if (looksIn != address(registry)) revert RegistryMismatch(address(registry), looksIn);
        (REGISTRY, VERIFIER) = (registry, verifier);
        (ANSWER_TIME, MIN_BOND) = (parameters_.answerTime, parameters_.minBond);
        for (uint256 i = 0; i < tiers.length; ++i) {
            isTier[tiers[i]] = true;
        }
    }

    /// @inheritdoc IInferenceOracle
    function request(Request calldata request_, bytes calldata inputData, string calldata uri)
        external
        payable
        override
        returns (bytes32 requestId)
    {
        if (request_.callbackGas > MAX_CALLBACK_GAS) {
            revert TooMuchCallbackGas(MAX_CALLBACK_GAS, request_.callbackGas);
        }
        Request memory asked = request_;
        asked.input = _post(request_, inputData, uri);
        // All that was asked is part of the name: if the chain reorganises, no answer comes to mean another request.
        requestId = keccak256(
            abi.encode(block.chainid, address(this), msg.sender, requestCountOf[msg.sender]++, asked, msg.value)
        );
        RequestRecord storage record = _requests[requestId];
        (record.modelId, record.input) = (asked.modelId, asked.input);
        (record.tier, record.minBond) = (asked.tier, asked.minBond);
        (record.consumer, record.bounty) = (msg.sender, SafeCast.toUint96(msg.value));
        (record.proofSystem, record.window, record.deadline) = (asked.proofSystem, asked.window, asked.deadline);
        record.callbackGas = asked.callbackGas;
        record.callbackOnProvisional = asked.callbackOnProvisional;
        record.state = RequestState.OPEN;
        _requireTime(record);
        emit InferenceRequested(requestId, asked.modelId, msg.sender, asked, msg.value);
    }

    /// @inheritdoc IInferenceOracle
    function fulfil(bytes32 requestId, bytes calldata output, bytes calldata proof) external override nonReentrant {
        RequestRecord storage record = _requests[requestId];
        _requireState(requestId, record, RequestState.OPEN);
        if (address(record.tier) != address(0)) revert NotByProof(requestId);
        _requireTime(record);
        ProofBytes.requireSystem(proof, record.proofSystem);
        (,, bytes memory header) = REGISTRY.resolve(record.modelId, record.proofSystem);
        PackedOutputs.requireLength(header, output);
        bytes memory words = PackedOutputs.toWords(header, output);
        VERIFIER.checkInferenceFor(record.modelId, record.input, words, proof, msg.sender);

        record.asserter = msg.sender;
        record.outputHash = keccak256(output);
        _done(requestId, record, output);
    }

    /// @inheritdoc IInferenceOracle
    function accept(bytes32 requestId) external payable override {
        RequestRecord storage record = _requests[requestId];
        if (record.state == RequestState.LOCKED && block.timestamp >= record.lockedUntil) _release(requestId, record);
        _requireState(requestId, record, RequestState.OPEN);
        if (address(record.tier) == address(0)) revert NotByClaim(requestId);
        uint256 minimum = record.minBond > MIN_BOND ? record.minBond : MIN_BOND;
        if (msg.value < minimum) revert BondTooLow(minimum, msg.value);
        _requireTime(record);

        record.state = RequestState.LOCKED;
        record.lockedUntil = SafeCast.toUint40(block.timestamp + ANSWER_TIME);
        (record.asserter, record.bond) = (msg.sender, SafeCast.toUint96(msg.value));
        emit RequestAccepted(requestId, msg.sender, msg.value, record.lockedUntil);
    }

    /// @inheritdoc IInferenceOracle
    function answer(bytes32 requestId, bytes calldata output, bytes32 trace)
        external
        override
        nonReentrant
        returns (bytes32 claimId)
    {
        RequestRecord storage record = _requests[requestId];
        _requireState(requestId, record, RequestState.LOCKED);
        if (record.asserter != msg.sender) revert NotTheAsserter(record.asserter);
        // There is time enough for the claim to be resolved: `accept` saw to it, with this whole time to answer added.
        if (block.timestamp >= record.lockedUntil) revert AnswerTooLate(record.lockedUntil);

        uint96 bond = record.bond;
        bytes32 outputHash = keccak256(output);
        (record.state, record.outputHash) = (RequestState.ANSWERED, outputHash);
        Claim memory claim = Claim({
            modelId: record.modelId,
            input: record.input,
            trace: trace,
            asserter: msg.sender,
            source: address(this),
            bond: bond,
            window: record.window,
            settledBy: record.proofSystem,
            outputHash: outputHash
        });
        claimId = record.tier.claimFor{value: bond}(claim, output);
        record.claimId = claimId;
        emit RequestAnswered(requestId, claimId, msg.sender);
        if (record.callbackOnProvisional) _tell(requestId, record, ClaimStatus.PROVISIONAL, output);
    }

    /// @inheritdoc IInferenceOracle
    function reopen(bytes32 requestId) external override {
        RequestRecord storage record = _requests[requestId];
        _requireState(requestId, record, RequestState.LOCKED);
        if (block.timestamp < record.lockedUntil) revert LockNotOver(record.lockedUntil);
        _release(requestId, record);
    }

    /// @inheritdoc IInferenceOracle
    function conclude(bytes32 requestId, bytes calldata output) external override nonReentrant {
        RequestRecord storage record = _requests[requestId];
        _requireState(requestId, record, RequestState.ANSWERED);
        ClaimStatus status = record.tier.statusOf(record.claimId);
        if (status == ClaimStatus.REVOKED) {
            emit RequestReopened(requestId, record.asserter, 0);
            _open(record);
            (record.claimId, record.outputHash) = (bytes32(0), bytes32(0));
            _tell(requestId, record, ClaimStatus.REVOKED, output[:0]);
        } else if (status == ClaimStatus.FINAL) {
            bytes32 outputHash = keccak256(output);
            bool needed = output.length != 0 || record.callbackGas != 0;
            if (needed && outputHash != record.outputHash) revert WrongOutputHash(record.outputHash, outputHash);
            _done(requestId, record, output);
        } else {
            revert ClaimNotResolved(record.claimId);
        }
    }

    /// @inheritdoc IInferenceOracle
    function cancel(bytes32 requestId) external override {
        RequestRecord storage record = _requests[requestId];
        if (record.state == RequestState.LOCKED && block.timestamp >= record.lockedUntil) _release(requestId, record);
        _requireState(requestId, record, RequestState.OPEN);
        bool byConsumer = msg.sender == record.consumer && address(record.tier) != address(0);
        if (!byConsumer && _earliest(record) <= record.deadline) revert NotYet(record.deadline);
        uint256 bounty = record.bounty;
        (record.state, record.bounty) = (RequestState.CANCELLED, 0);
        _credit(record.consumer, bounty);
        emit RequestCancelled(requestId, bounty);
    }

    /// @inheritdoc IInferenceOracle
    function resultOf(bytes32 requestId)
        public
        view
        override
        returns (ClaimStatus status, bytes32 outputHash, bytes32 claimId)
    {
        RequestRecord storage record = _requests[requestId];
        (outputHash, claimId) = (record.outputHash, record.claimId);
        if (record.state == RequestState.DONE) status = ClaimStatus.FINAL;
        else if (record.state == RequestState.ANSWERED) status = record.tier.statusOf(claimId);
    }

    /// @inheritdoc IInferenceOracle
    function statusOfOutput(bytes32 requestId, bytes calldata output) external view override returns (ClaimStatus) {
        (ClaimStatus status, bytes32 outputHash,) = resultOf(requestId);
        return keccak256(output) == outputHash ? status : ClaimStatus.NONE;
    }

    /// @inheritdoc IInferenceOracle
    function requestOf(bytes32 requestId) external view override returns (RequestRecord memory) {
        return _requests[requestId];
    }

    /// @inheritdoc IInferenceOracle
    function parameters() external view override returns (Parameters memory) {
        return Parameters(ANSWER_TIME, MIN_BOND);
    }

    /// @dev Checks what a request is about and lets everybody know where the input's data is. Returns the input's root.
    function _post(Request calldata asked, bytes calldata inputData, string calldata uri)
        private
        returns (bytes32 root)
    {
        bytes memory header = _headerOf(asked);
        root = asked.input;
        if (inputData.length == 0) {
            emit InputLocated(root, uri);
        } else {
            uint256 expected = InputTree.packedLength(header);
            if (inputData.length != expected) revert IClaimTier.WrongInputLength(expected, inputData.length);
            root = InputTree.commitmentOfPacked(header, inputData);
            if (asked.input != bytes32(0) && asked.input != root) revert WrongInput(root, asked.input);
            emit IClaimTier.InputPosted(root, inputData);
        }
    }

    /// @dev The header of the model that a request is about. Reverts if there is no such model, no such tier, or no key
    /// for the proof system.
    function _headerOf(Request calldata asked) private view returns (bytes memory header) {
        bool byProof = address(asked.tier) == address(0);
        if (!byProof && !isTier[asked.tier]) revert UnknownTier(address(asked.tier));
        if (!byProof && ProofSystem.unwrap(asked.proofSystem) == 0) {
            return REGISTRY.getModel(asked.modelId).registration.header;
        }
        (,, header) = REGISTRY.resolve(asked.modelId, asked.proofSystem);
    }

    /// @dev Opens a request again whose lock is over.
    function _release(bytes32 requestId, RequestRecord storage record) private {
        (address asserter, uint256 bond) = (record.asserter, record.bond);
        uint256 penalty = bond / PENALTY_DIVISOR;
        _open(record);
        _credit(record.consumer, penalty);
        _credit(asserter, bond - penalty);
        emit RequestReopened(requestId, asserter, penalty);
    }

    function _open(RequestRecord storage record) private {
        record.state = RequestState.OPEN;
        (record.lockedUntil, record.asserter, record.bond) = (0, address(0), 0);
    }

    /// @dev Ends a request with its answer.
    function _done(bytes32 requestId, RequestRecord storage record, bytes calldata output) private {
        (address asserter, uint256 bounty) = (record.asserter, record.bounty);
        (record.state, record.bounty) = (RequestState.DONE, 0);
        _credit(asserter, bounty);
        emit RequestDone(requestId, asserter, record.outputHash, output);
        _tell(requestId, record, ClaimStatus.FINAL, output);
    }

    /// @dev Calls the consumer, if it wants to be. This comes last in whatever it is part of.
    function _tell(bytes32 requestId, RequestRecord storage record, ClaimStatus status, bytes calldata output) private {
        uint256 gas_ = record.callbackGas;
        if (gas_ == 0) return;
        bytes memory data = abi.encodeCall(IInferenceConsumer.onInference, (requestId, status, output));
        bool success = CappedCall.tell(record.consumer, gas_, data);
        emit ConsumerCalled(requestId, status, success);
    }

    function _requireState(bytes32 requestId, RequestRecord storage record, RequestState state) private view {
        if (record.state != state) revert NotInThisState(requestId, record.state);
    }

    /// @dev Reverts if an answer can no longer be in time.
    function _requireTime(RequestRecord storage record) private view {
        uint256 earliest = _earliest(record);
        if (earliest > record.deadline) revert DeadlineTooSoon(earliest, record.deadline);
    }

    /// @dev The earliest deadline that an answer can be promised for: a proof comes in this very second, a claim after
    /// all the time to answer and to resolve it.
    function _earliest(RequestRecord storage record) private view returns (uint256) {
        if (address(record.tier) == address(0)) return block.timestamp + 1;
        return block.timestamp + ANSWER_TIME + record.tier.longest(record.modelId, record.window);
    }
}
